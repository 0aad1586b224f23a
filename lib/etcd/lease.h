// Lease: a lease of etcd, kept alive.
//
// Granted, renewed three times in its life, and granted anew after it has lapsed: then
// what was put under it is gone from etcd, and the owner puts it again. One loop, its
// thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "etcd/client.h"
#include "event/timer.h"

namespace mesh::etcd {

class Lease final : private grpc::CallEvents {
 public:
  class Owner {
   public:
    // A new lease: nothing is under it.
    virtual void on_lease(int64_t id) = 0;
    // For a whole life nobody has confirmed it: etcd may have dropped it.
    virtual void on_lapsed(const std::string& why) = 0;

   protected:
    ~Owner() = default;
  };

  // `life` in whole seconds, 3 s at least. The owner outlives us; we outlive the client.
  Lease(event::Loop& loop, Client& client, std::chrono::seconds life, Owner& owner);

  void start() { grant(); }
  // Ends it at etcd, and with it what is under it; `then` hears how that went. Nothing
  // is granted after it.
  void revoke(std::function<void(Result<void>)> then);
  // 0: none at present.
  int64_t id() const { return id_; }

 private:
  void grant();
  void keep();
  void ask();
  void on_message(std::string_view message) override;
  void on_end(const grpc::Status& status, const grpc::Metadata& trailers) override;
  void lost(const std::string& why);

  Client& client_;
  const std::chrono::seconds life_;
  Owner& owner_;
  int64_t id_ = 0;
  bool revoked_ = false;
  std::string why_;
  std::unique_ptr<grpc::Call> call_;
  event::Timer next_;    // the next renewal, or the next try
  event::Timer lapses_;  // armed at each confirmation
};

}  // namespace mesh::etcd

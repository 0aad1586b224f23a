// Mirror: what etcd holds below a prefix, kept here.
//
// All keys at one revision, then every change, in order: what one transaction wrote is
// seen together. When etcd is lost the keys stay, and the mirror goes on where it was as
// soon as a member answers; where that is too long ago for etcd it reads all again, and
// tells the difference. One loop, its thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "etcd/client.h"
#include "event/timer.h"

namespace mesh::etcd {

struct Value {
  std::string bytes;
  int64_t mod_revision = 0;
  int64_t lease = 0;  // 0: none
  bool operator==(const Value&) const = default;
};

class Mirror final : private grpc::CallEvents {
 public:
  class Owner {
   public:
    // values() are etcd's as of revision(). `changed`: the keys that are other, new or
    // gone since the last time; at the first, all. Empty when etcd is back, and nothing
    // was missed.
    virtual void on_values(Mirror& mirror, const std::set<std::string>& changed) = 0;
    // Nobody answers, or what is there is over a limit; values() stay. Once for each
    // new reason.
    virtual void on_down(Mirror& mirror, const std::string& why) = 0;

   protected:
    ~Owner() = default;
  };

  struct Options {
    std::string prefix;
    size_t keys_max = 100'000;
    size_t bytes_max = 256U << 20;  // of keys and values
    Duration pause_min = std::chrono::milliseconds(100);
    Duration pause_max = std::chrono::seconds(5);
  };

  // The owner outlives us; we outlive the client.
  Mirror(event::Loop& loop, Client& client, Options options, Owner& owner);

  void start() { load(); }

  // There was a first time.
  bool loaded() const { return revision_ != 0; }
  bool up() const { return up_; }
  // By key, without the prefix.
  const std::map<std::string, Value>& values() const { return values_; }
  int64_t revision() const { return revision_; }

 private:
  void load();
  void load_page(const std::string& from);
  void on_page(Result<etcdserverpb::RangeResponse> page);
  void take_loaded();
  void watch();
  void on_message(std::string_view message) override;
  void on_end(const grpc::Status& status, const grpc::Metadata& trailers) override;
  void take(const mvccpb::Event& event);
  void tell();
  void retry(const std::string& why);
  bool fits(size_t keys, size_t bytes);

  event::Loop& loop_;
  Client& client_;
  const Options options_;
  Owner& owner_;
  Random random_ = Random::from_system();
  std::map<std::string, Value> values_;
  size_t bytes_ = 0;
  int64_t revision_ = 0;
  uint64_t cluster_ = 0;
  bool up_ = false;
  bool all_again_ = false;  // a watch will not do
  std::string down_because_;

  std::map<std::string, Value> loading_;
  size_t loading_bytes_ = 0;
  int64_t loading_revision_ = 0;
  uint64_t loading_cluster_ = 0;

  std::set<std::string> changed_;  // of an answer whose rest is to come
  std::unique_ptr<grpc::Call> watch_;
  uint32_t failures_ = 0;
  event::Timer retry_;
};

}  // namespace mesh::etcd

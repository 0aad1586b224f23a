// Client: etcd's API v3, calls to one cluster.
//
// One member is asked at a time. A member that does not answer in time, or says that
// it has no leader, is left for the next of the list. With a user, each call carries
// the token of a login, which is renewed when etcd no longer takes it. One loop, its
// thread. What was asked is answered unless the client is gone before: so who asks
// outlives the client.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "etcd/rpc.pb.h"
#include "grpc/channel.h"

namespace mesh::etcd {

class Client {
 public:
  template <class Reply>
  using Then = std::function<void(Result<Reply>)>;

  struct Options {
    std::vector<net::Address> endpoints{};
    std::string user{};  // empty: no login
    std::string password{};
    grpc::Channel::TlsSource tls{};  // empty: clear text
    std::string server_name{};       // under TLS; empty: none is sent
    // Of one call. Also how long a silent connection is believed, twice.
    Duration timeout = std::chrono::seconds(5);
  };

  Client(event::Loop& loop, Options options, Random random = Random::from_system());
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Errc::Unavailable and Errc::Timeout: nobody answered, and a change that was asked
  // for may have been made. Anything else is etcd's own answer.
  void range(const etcdserverpb::RangeRequest& request, Then<etcdserverpb::RangeResponse> then);
  void txn(const etcdserverpb::TxnRequest& request, Then<etcdserverpb::TxnResponse> then);
  void grant(const etcdserverpb::LeaseGrantRequest& request,
             Then<etcdserverpb::LeaseGrantResponse> then);
  void revoke(const etcdserverpb::LeaseRevokeRequest& request,
              Then<etcdserverpb::LeaseRevokeResponse> then);

  // A call of many messages, "/etcdserverpb.Watch/Watch"; it ends when its member loses
  // the leader. With a user, only after a unary call has been answered.
  std::unique_ptr<grpc::Call> stream(std::string path, grpc::CallEvents& events);

  // The member that is spoken to is no good: to the next, at most once a second, as
  // all that was asked of it fails together. Calls on it end.
  void leave();

  // Whether a status says that the member is to blame, not what was asked.
  static bool members_fault(const Error& error);

 private:
  struct Waiting {
    std::string path;
    std::string request;
    grpc::Channel::Done done;
  };
  void call(std::string path, std::string request, bool again, grpc::Channel::Done done);
  void log_in();
  grpc::CallOptions options() const;

  event::Loop& loop_;
  const Options options_;
  std::optional<Instant> left_;
  std::string token_;
  bool logging_in_ = false;
  std::vector<Waiting> waiting_;  // for the token
  grpc::Channel channel_;         // last: nothing is answered while the rest goes
};

}  // namespace mesh::etcd

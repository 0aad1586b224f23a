// Client: etcd's API v3, calls to one cluster.
//
// One member is asked at a time. A member that does not answer in time, or says that
// it has no leader, is left for the next of the list; names are looked up then, and at the
// start, off the loop's thread. What was found stays until something else is found. With a user,
// each call carries the token of a login, which is renewed when etcd no longer takes it. One loop,
// its thread. What was asked is answered unless the client is gone before: so who asks outlives the
// client.
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
#include "net/resolver.h"

namespace mesh::etcd {

class Client {
 public:
  template <class Reply>
  using Then = std::function<void(Result<Reply>)>;

  // A member by its host name, of which every address is tried.
  struct Name {
    std::string host;
    uint16_t port = 0;
  };
  struct Options {
    std::vector<net::Address> endpoints{};
    std::vector<Name> names{};  // asked after `endpoints`
    net::Resolver::Lookup lookup = net::Resolver::system_lookup;
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
  void look_up();
  void found(size_t name, const net::Resolver::Addresses& addresses);
  grpc::CallOptions options() const;

  event::Loop& loop_;
  const Options options_;
  std::optional<Instant> left_;
  std::string token_;
  bool logging_in_ = false;
  std::vector<Waiting> waiting_;  // for the token
  std::unique_ptr<net::Resolver> resolver_;
  std::vector<net::Resolver::Addresses> found_;  // of each name
  size_t looking_up_ = 0;
  grpc::Channel channel_;  // last: nothing is answered while the rest goes
};

}  // namespace mesh::etcd

// AdsStream: one stream of the aggregated discovery service, either variant: requests and
// what there is in, responses out (envoyproxy.io, "xDS REST and gRPC protocol").
//
//   take(request) --> Events          offer / withdraw / mark --> next() --> bytes
//
// Order: types are given in the order in which they may be sent. Of the later ones (listeners,
// routes) nothing is sent while an earlier one has changes that are not answered, so that a
// route comes when its cluster is there; removals go last, in the reverse order. One response
// a type waits for its answer; what comes meanwhile is joined, so a slow client holds one
// response a type. What a client refuses is not sent again before it changes. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ads/subscription.h"
#include "base/result.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace mesh::ads {

namespace pb = envoy::service::discovery::v3;

struct Type {
  std::string_view url;
  // Clients that name nothing mean all (listeners, clusters); a response of the state of the
  // world has all of them, and what it lacks is removed.
  bool whole = false;
  // Waits until all that stand before it are answered.
  bool late = false;
  // Another type whose resource of the same name has to be sent again with a change of this:
  // a cluster warms until its endpoints have come anew.
  std::string_view renews{};
};

// Cluster, ClusterLoadAssignment, Listener, RouteConfiguration.
std::vector<Type> mesh_types();

class AdsStream {
 public:
  enum class Variant : uint8_t { StateOfTheWorld, Incremental };
  struct Limits {
    size_t names_max = 20'000;  // that a client subscribes to, of a type
    size_t name_bytes_max = 1024;
    size_t response_bytes_max = 1U << 20;  // about; the state of the world is not cut
  };

  // Indices of types.
  struct Events {
    std::optional<size_t> opened;  // asked for the first time
    std::optional<size_t> refused;
    std::string reason;
    std::string unknown_type;
  };

  AdsStream(Variant variant, std::vector<Type> types);
  AdsStream(Variant variant, std::vector<Type> types, Limits limits);

  // What this client gets in the place of a resource that was offered, made when it is sent.
  // Its version stays.
  using Rewrite = std::function<std::string(std::string_view type_url, const std::string& body)>;
  void set_rewrite(Rewrite rewrite) { rewrite_ = std::move(rewrite); }

  // Errc::Invalid and Errc::TooBig end the stream. A request whose nonce is not the last one
  // is passed over, but for the subscriptions of the incremental variant.
  Result<Events> take(const pb::DiscoveryRequest& request);
  Result<Events> take(const pb::DeltaDiscoveryRequest& request);
  // What was refused with the last answer of that type.
  const Versions& refused(size_t type) const { return types_[type].state.refused_last(); }

  size_t types() const { return types_.size(); }
  std::optional<size_t> find(std::string_view url) const;
  void offer(size_t type, std::string_view name, std::string_view version, Body body);
  void withdraw(size_t type, std::string_view name);
  void mark(size_t type, std::string_view generation);
  bool wants(size_t type, std::string_view name) const;
  // Everything of that type was sent and answered.
  bool idle(size_t type) const {
    const Subscription& state = types_[type].state;
    return !state.in_flight() && !state.has_changes() && !state.has_removals();
  }

  // The next response, serialized; nothing where all waits or nothing is to be said.
  std::optional<std::string> next();
  // The generation of that type that the client accepted whole since the last call; or empty.
  std::string settled(size_t type) { return types_[type].state.take_settled(); }

 private:
  struct Entry {
    Type type;
    Subscription state;
    std::string last_nonce{};
    bool legacy_all = false;  // it has never named anything
    Versions sent{};          // on this stream, of a type that renews another
  };

  Result<void> check(int names) const;
  Result<void> check(const std::string& name) const;
  void answer(size_t type, std::string_view nonce, bool accepted, const std::string& reason,
              Events& events);
  bool settled_before(size_t type) const;
  std::string send_changes(size_t type);
  std::string send_removals(size_t type);
  // A late type has changes that it could send.
  bool late_waits() const;
  std::string write(size_t type, const Subscription::Batch& batch) const;
  std::string take_nonce() { return std::to_string(++nonce_); }

  const Variant variant_;
  const Limits limits_;
  Rewrite rewrite_;
  std::vector<Entry> types_;
  uint64_t nonce_ = 0;
  unsigned passed_over_ = 0;  // responses sent while a late type waited
};

}  // namespace mesh::ads

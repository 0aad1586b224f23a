#include "discovery/compile/session_policies.h"

#include <charconv>
#include <optional>
#include <set>

#include "base/text.h"
#include "discovery/compile/build.h"
#include "discovery/compile/load_balancer.h"
#include "discovery/compile/route_parts.h"
#include "discovery/compile/traffic_policy.h"
#include "envoy/extensions/filters/http/stateful_session/v3/stateful_session.pb.h"
#include "envoy/extensions/http/stateful_session/cookie/v3/cookie.pb.h"
#include "envoy/extensions/http/stateful_session/header/v3/header.pb.h"
#include "xds/serialize.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::route::v3;
namespace state = envoy::extensions::http::stateful_session;
using envoy::extensions::filters::http::stateful_session::v3::StatefulSessionPerRoute;

// "outbound|PORT|SUBSET|HOST", taken apart.
struct Target {
  const Service* service;
  uint32_t port;
  std::string subset;
};

class Sessions {
 public:
  Sessions(const Model& model, const Node& node, const std::vector<const Service*>& callable)
      : model_(model), node_(node), callable_(callable) {}

  void add(pb::Route& route) const {
    std::set<std::string> seen;
    for (const auto& name : clusters_of(route.route())) {
      const auto target = target_of(name);
      if (!target) continue;
      add_hash(*target, *route.mutable_route(), seen);
      const auto* policy = model_.service_policy(*target->service, target->subset, node_.ns);
      if (policy != nullptr && policy->spec.has_sticky_session() &&
          !route.typed_per_filter_config().contains(kSessionFilter))
        set_session(policy->spec.sticky_session(), route);
    }
  }

 private:
  static std::vector<std::string> clusters_of(const pb::RouteAction& action) {
    if (!action.has_weighted_clusters()) return {action.cluster()};
    std::vector<std::string> names;
    for (const auto& cluster : action.weighted_clusters().clusters())
      names.push_back(cluster.name());
    return names;
  }

  std::optional<Target> target_of(const std::string& cluster) const {
    const auto parts = text::split(cluster, '|');
    if (parts.size() != 4 || parts[0] != "outbound") return std::nullopt;
    const Service* const service = service_of(callable_, parts[3]);
    uint32_t port = 0;
    const auto [end, error] =
        std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), port);
    if (service == nullptr || error != std::errc{}) return std::nullopt;
    return Target{service, port, std::string(parts[2])};
  }

  // Each destination's, once (Istio).
  void add_hash(const Target& target, pb::RouteAction& action, std::set<std::string>& seen) const {
    const auto* rule = model_.destination_rule(*target.service, node_);
    if (rule == nullptr) return;
    const istio::Subset* subset = nullptr;
    for (const auto& one : rule->spec.subsets())
      if (one.name() == target.subset) subset = &one;
    const int before = action.hash_policy_size();
    add_hash_policy(policy_for(rule, subset, target.port).load_balancer(), action);
    if (action.hash_policy_size() > before &&
        !seen.insert(xds::serialize(action.hash_policy(before))).second)
      action.mutable_hash_policy()->RemoveLast();
  }

  const Model& model_;
  const Node& node_;
  const std::vector<const Service*>& callable_;
};

}  // namespace

void set_session(const v1::ServicePolicy::StickySession& from, pb::Route& route) {
  StatefulSessionPerRoute config;
  auto& session = *config.mutable_stateful_session();
  session.set_strict(from.strict());
  auto& extension = *session.mutable_session_state();
  if (from.has_cookie()) {
    state::cookie::v3::CookieBasedSessionState cookie;
    cookie.mutable_cookie()->set_name(from.cookie().name());
    cookie.mutable_cookie()->set_path(from.cookie().path().empty() ? "/" : from.cookie().path());
    if (from.cookie().has_ttl()) *cookie.mutable_cookie()->mutable_ttl() = from.cookie().ttl();
    extension.set_name("envoy.http.stateful_session.cookie");
    pack(cookie, *extension.mutable_typed_config());
  } else {
    state::header::v3::HeaderBasedSessionState header;
    header.set_name(from.header());
    extension.set_name("envoy.http.stateful_session.header");
    pack(header, *extension.mutable_typed_config());
  }
  pack(config, (*route.mutable_typed_per_filter_config())[kSessionFilter]);
}

void add_session_policies(const Model& model, const Node& node,
                          const std::vector<const Service*>& callable, pb::VirtualHost& host) {
  const Sessions sessions(model, node, callable);
  for (auto& route : *host.mutable_routes())
    if (route.has_route()) sessions.add(route);
}

}  // namespace mesh::discovery

#include <algorithm>
#include <vector>

#include "config/grpc_status.h"
#include "discovery/compile/build.h"
#include "discovery/compile/filters.h"
#include "mesh/xds/v1/circuit_breaker.pb.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::route::v3;
namespace ours = ::mesh::xds::v1;
using Kind = Object<v1::CircuitBreaker>;

constexpr const char* kName = "mesh.filters.http.circuit_breaker";

// One breaker, and the route that it is for; empty: any.
struct Rule {
  std::string route;
  bool takes_all = false;
  ours::CircuitBreaker::Breaker breaker;
};

// The smallest that can be said, where it is less and not none.
uint32_t per_million(double percent) {
  return percent > 0 ? std::max(1U, uint32_t(percent * 10'000 + 0.5)) : 0;
}

void set_policy(const v1::CircuitBreaker& spec, ours::CircuitBreaker::Breaker& into) {
  const auto& thresholds = spec.thresholds();
  into.set_error_per_million(per_million(thresholds.error_percent()));
  into.set_timeout_per_million(per_million(thresholds.timeout_percent()));
  into.set_slow_per_million(per_million(thresholds.slow_percent()));
  if (thresholds.has_slow_after()) *into.mutable_slow_after() = thresholds.slow_after();
  if (spec.has_window()) *into.mutable_window() = spec.window();
  into.set_minimum_calls(spec.minimum_calls());
  if (spec.has_open_duration()) *into.mutable_open() = spec.open_duration();
  if (spec.has_max_open_duration()) *into.mutable_open_max() = spec.max_open_duration();
  into.set_trial_calls(spec.trial_calls());
  if (spec.has_ramp()) *into.mutable_ramp() = spec.ramp();
  *into.mutable_error_statuses() = spec.error_statuses();
  for (const auto& name : spec.grpc_error_statuses())
    into.add_grpc_error_statuses(config::grpc_status(name).value_or(2));
}

void set_fallback(const Model& model, const Kind& object, uint32_t port,
                  ours::CircuitBreaker::Breaker& into) {
  const auto& fallback = object.spec.fallback();
  if (fallback.has_destination())
    into.mutable_fallback()->set_cluster(
        destination_cluster(model, fallback.destination(), object.ns, port));
  if (!fallback.has_response()) return;
  auto& response = *into.mutable_fallback()->mutable_response();
  response.set_status(fallback.response().status());
  response.set_body(fallback.response().body());
  const std::map<std::string, std::string> sorted(fallback.response().headers().begin(),
                                                  fallback.response().headers().end());
  for (const auto& [name, value] : sorted) {
    auto& header = *response.add_headers();
    header.set_name(name);
    header.set_value(value);
  }
}

void set_match(const v1::CircuitBreaker::Match& match, Rule& rule) {
  auto& into = rule.breaker;
  rule.route = match.route();
  into.set_method(match.method());
  if (match.has_uri()) {
    if (match.uri().has_exact())
      into.set_path(match.uri().exact());
    else
      into.set_prefix(match.uri().prefix());
  }
  if (const std::string& grpc = match.grpc_method(); !grpc.empty()) {
    if (grpc.find('/') == std::string::npos)
      into.set_prefix("/" + grpc + "/");
    else
      into.set_path("/" + grpc);
  }
  rule.takes_all =
      rule.route.empty() && into.method().empty() &&
      into.path_specifier_case() == ours::CircuitBreaker::Breaker::PATH_SPECIFIER_NOT_SET;
}

// By object, in the order of their matches; what takes all comes last.
std::vector<Rule> rules_of(const Model& model, const Node& node, const Service& service,
                           uint32_t port) {
  std::vector<Rule> rules;
  for (const Kind* object : model.circuit_breakers(service, node.ns)) {
    const std::string name = object->ns + "/" + object->name;
    Rule base;
    set_policy(object->spec, base.breaker);
    set_fallback(model, *object, port, base.breaker);
    base.breaker.set_name(name);
    base.takes_all = true;
    if (object->spec.match().empty()) rules.push_back(base);
    for (const auto& match : object->spec.match()) {
      Rule rule = base;
      set_match(match, rule);
      rule.breaker.set_name(name + "/" + match.name());
      rules.push_back(std::move(rule));
    }
  }
  std::stable_partition(rules.begin(), rules.end(), [](const Rule& r) { return !r.takes_all; });
  return rules;
}

// A route's name is its http route's, with that of its match behind a dot.
bool names(const std::string& wanted, const std::string& route) {
  return wanted == route || (route.starts_with(wanted) && route[wanted.size()] == '.');
}

}  // namespace

void set_circuit_breakers(const Model& model, const Node& node, const Service& service,
                          uint32_t port, pb::VirtualHost& host) {
  const std::vector<Rule> rules = rules_of(model, node, service, port);
  if (rules.empty()) return;
  ours::CircuitBreaker of_host;
  for (const Rule& rule : rules)
    if (rule.route.empty()) *of_host.add_breakers() = rule.breaker;
  if (of_host.breakers_size() > 0) pack(of_host, (*host.mutable_typed_per_filter_config())[kName]);
  for (auto& route : *host.mutable_routes()) {
    ours::CircuitBreaker of_route;
    bool own = false;
    for (const Rule& rule : rules) {
      if (!rule.route.empty() && !names(rule.route, route.name())) continue;
      own = own || !rule.route.empty();
      *of_route.add_breakers() = rule.breaker;
    }
    if (own) pack(of_route, (*route.mutable_typed_per_filter_config())[kName]);
  }
}

// Of all services that the node may see: forwarders that asked for different hosts share
// their listeners.
void add_outbound_filters(const Model& model, const Node& node, HttpManager& manager) {
  if (model.objects().circuit_breakers.empty()) return;
  Node whole = node;
  whole.hosts = nullptr;
  const auto services = model.services_for(whole);
  const bool any = std::any_of(services.begin(), services.end(), [&](const Service* service) {
    return !model.circuit_breakers(*service, node.ns).empty();
  });
  if (!any) return;
  auto& filter = *manager.add_http_filters();
  filter.set_name(kName);
  pack(ours::CircuitBreaker(), *filter.mutable_typed_config());
}

}  // namespace mesh::discovery

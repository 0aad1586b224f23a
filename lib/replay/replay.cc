#include "replay/replay.h"

#include <algorithm>

#include "authz/ext_authz.h"
#include "authz/rules.h"
#include "base/text.h"
#include "replay/tokens.h"
#include "route/cors.h"
#include "route/fault_rules.h"
#include "xds/decode.h"
#include "xds/filter_in_force.h"

namespace mesh::replay {
namespace {

using Kind = Outcome::Kind;

// "[::1]:80" and "10.0.0.9:80"; a path has neither address nor port.
std::pair<authz::Ip, uint16_t> parse_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (text.starts_with('/') || colon == text.npos) return {};
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto port = text::parse_uint(text.substr(colon + 1), UINT16_MAX);
  return {authz::Ip::parse(host), port ? uint16_t(*port) : uint16_t(0)};
}

bool has_name(const std::vector<std::string>& names, const std::string& name) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& wanted) {
    if (wanted.starts_with("*.")) return name.ends_with(std::string_view(wanted).substr(1));
    return wanted == name;
  });
}

// How exactly a chain is for such a connection; negative: it is not.
int fits(const xds::FilterChain& chain, bool secure, const Call& call, uint16_t port) {
  const xds::FilterChainMatch& match = chain.match;
  if (chain.tls.has_value() != secure) return -1;
  if (match.destination_port != 0 && match.destination_port != port) return -1;
  if (!match.server_names.empty() && !has_name(match.server_names, call.server_name)) return -1;
  if (!match.transport_protocol.empty() && (match.transport_protocol == "tls") != secure) return -1;
  if (chain.tcp != nullptr) return -1;
  return (match.destination_port != 0 ? 4 : 0) + (match.server_names.empty() ? 0 : 2) +
         (match.transport_protocol.empty() ? 0 : 1);
}

const xds::FilterChain* chain_of(const xds::Listener& listener, bool secure, const Call& call,
                                 uint16_t port) {
  const xds::FilterChain* best = nullptr;
  int best_fit = -1;
  for (const xds::FilterChain& chain : listener.filter_chains)
    if (const int fit = fits(chain, secure, call, port); fit > best_fit) {
      best = &chain;
      best_fit = fit;
    }
  const auto* const other = listener.default_filter_chain.get();
  if (best == nullptr && other != nullptr && fits(*other, secure, call, port) >= 0) best = other;
  return best;
}

// The details of the first refusal; empty: it passes. What shadow rules match is added to
// `found`, which may be null.
std::string refusal(const authz::Rbac* rbac, const authz::Request& request,
                    std::vector<authz::ShadowVerdict>* found = nullptr) {
  if (rbac != nullptr && rbac->shadow != nullptr && found != nullptr) {
    const authz::Decision shadow = rbac->shadow->decide(request);
    if (shadow.policy != authz::Decision::kNone)
      found->push_back({.prefix = rbac->shadow_stat_prefix,
                        .policy = rbac->shadow->name(shadow.policy),
                        .allowed = shadow.allowed});
  }
  if (rbac == nullptr || rbac->rules == nullptr) return {};
  const authz::Decision decision = rbac->rules->decide(request);
  return decision.allowed ? std::string() : std::string(rbac->rules->details(decision));
}

// As filter::Cors; of a policy for a share of the requests none is answered.
bool answers_preflight(const route::CorsPolicy& policy, const route::Request& request) {
  constexpr uint32_t kAll = 1'000'000;
  if ((policy.enabled && policy.enabled->per_million < kAll) || !route::is_preflight(request))
    return false;
  return route::answers_preflight(
      policy, route::granted_by(policy, request.fields->get("origin").value_or("")));
}

// Of gRPC, by its content type.
bool is_grpc(const http::Fields& fields) {
  return fields.get("content-type").value_or("").starts_with("application/grpc");
}

// What a fault leaves of an outcome: the share that it ends stands beside the clusters.
void add_fault(const xds::FilterChain& chain, const route::Route& route,
               const route::Request& request, Outcome& outcome) {
  for (const xds::HttpFilter& filter : chain.http_filters) {
    const auto* const rules =
        route::value_of<route::FaultRules>(xds::filter_in_force(filter, &route));
    if (rules == nullptr || rules->policy == resilience::FaultPolicy{}) continue;
    if (rules->max_active == 0U) return;
    const resilience::FaultOdds odds = route::fault_odds(*rules, request, route);
    if (!odds) return;
    const auto fault = route::fault_outcome(odds, route, is_grpc(*request.fields));
    if (fault.status != 0) {
      outcome = {Kind::Failed, {}, "fault " + std::to_string(fault.status)};
    } else if (fault.aborted > 0) {
      for (auto& [cluster, share] : outcome.clusters) share *= 1 - fault.aborted;
      outcome.clusters["fault " + std::to_string(odds.http_status)] = fault.aborted;
      outcome.failed = fault.aborted;
    }
    return;
  }
}

// Adds the authorizer where it is asked.
void add_asked(const authz::ExtAuthz& authorizer, const std::vector<authz::ShadowVerdict>& found,
               std::string& asked) {
  if (authorizer.cluster.empty() || !asks(authorizer, found)) return;
  if (!asked.empty()) asked += ",";
  asked += authorizer.cluster + authorizer.path_prefix;
}

bool clears_route(const xds::JwtAuthn& filter) {
  return std::any_of(filter.providers.begin(), filter.providers.end(),
                     [](const xds::JwtProvider& provider) { return provider.clear_route_cache; });
}

}  // namespace

double moved(const Outcome& before, const Outcome& after) {
  if (before.kind != after.kind) return 1;
  if (before.kind != Kind::Forwarded) return before.why == after.why ? 0 : 1;
  double same = 0;
  for (const auto& [cluster, share] : before.clusters)
    if (const auto found = after.clusters.find(cluster); found != after.clusters.end())
      same += std::min(share, found->second);
  return std::clamp(1 - same, 0.0, 1.0);
}

bool untold(const Outcome& before, const Outcome& after) {
  if (before.decided_by == after.decided_by) return false;
  if (after.judge != 0 && after.judge != before.judge) return true;
  const bool arrives = after.kind == Kind::Forwarded || after.kind == Kind::Answered;
  if (arrives && after.asked != before.asked) return true;
  return before.unknown || after.unknown;
}

uint64_t Configuration::digest(std::string_view type_url, const std::string& name) const {
  const auto found = digests_.find({std::string(type_url), name});
  return found == digests_.end() ? 0 : found->second;
}

void Configuration::add(std::string_view type_url, const std::string& name, std::string_view body) {
  digests_[{std::string(type_url), name}] = std::hash<std::string_view>{}(body);
  const auto refuse = [&](const Error& error) { refused_.push_back(name + ": " + error.text); };
  if (type_url == xds::kListenerType) {
    if (auto listener = xds::decode_listener(body))
      listeners_[name] = *std::move(listener);
    else
      refuse(listener.error());
  } else if (type_url == xds::kRouteType) {
    if (auto table = xds::decode_route_configuration(body))
      routes_[name] = *std::move(table);
    else
      refuse(table.error());
  } else if (type_url == xds::kClusterType) {
    if (auto cluster = xds::decode_cluster(body))
      clusters_.insert(name);
    else
      refuse(cluster.error());
  }
}

Outcome Configuration::ask(const Call& call) const {
  const auto listener = listeners_.find(call.listener);
  if (listener == listeners_.end()) return {Kind::NotAccepted, {}, "no listener " + call.listener};
  const bool secure = !call.peer.empty() || !call.server_name.empty();
  const uint16_t port = parse_address(call.local).second;
  const auto* const chain = chain_of(*listener->second, secure, call, port);
  if (chain == nullptr)
    return {Kind::NotAccepted, {}, secure ? "no TLS is accepted" : "no clear text is accepted"};
  Outcome outcome = routed(*chain, call);
  outcome.decided_by = digest(xds::kListenerType, call.listener) * 31 +
                       digest(xds::kRouteType, chain->route_config_name);
  return outcome;
}

Outcome Configuration::routed(const xds::FilterChain& chain, const Call& call) const {
  const auto [remote, remote_port] = parse_address(call.remote);
  const auto [local, local_port] = parse_address(call.local);
  const authz::Connection connection{.principal = call.peer,
                                     .secure = !call.peer.empty() || !call.server_name.empty(),
                                     .server_name = call.server_name,
                                     .direct_remote = remote,
                                     .remote = remote,
                                     .destination = local,
                                     .destination_port = local_port};
  for (const auto& rbac : chain.network_rbac)
    if (auto why = refusal(rbac.get(), {.connection = connection, .remote = remote}); !why.empty())
      return {Kind::Denied, {}, std::move(why)};

  http::Fields fields;
  for (const auto& [name, value] : call.fields) fields.add(name, value);
  route::Request request{.authority = call.authority,
                         .method = call.method,
                         .scheme = call.scheme,
                         .path = call.path,
                         .fields = &fields,
                         .certificate_presented = !call.peer.empty(),
                         .certificate_validated = !call.peer.empty()};
  const route::Table* table = chain.route_config.get();
  if (const auto found = routes_.find(chain.route_config_name);
      table == nullptr && found != routes_.end())
    table = found->second.get();
  const route::Route* route = table == nullptr ? nullptr : table->find(request);
  Tokens tokens(call);
  std::vector<authz::ShadowVerdict> found;
  std::string asked;
  std::string why;
  bool preflight = false;
  for (const xds::HttpFilter& filter : chain.http_filters) {
    const route::FilterConfig* const config = xds::filter_in_force(filter, route);
    if (const auto* const jwt = route::value_of<xds::JwtAuthn>(config); jwt != nullptr) {
      why = tokens.judge(*jwt, request, fields);
      request.claims = tokens.claims();
      if (why.empty() && table != nullptr && clears_route(*jwt)) route = table->find(request);
    } else if (const auto* const cors = route::value_of<route::CorsPolicy>(config);
               cors != nullptr) {
      preflight = route != nullptr && answers_preflight(*cors, request);
    } else if (const auto* const authorizer = route::value_of<authz::ExtAuthz>(config);
               authorizer != nullptr) {
      if (route != nullptr) add_asked(*authorizer, found, asked);
    } else {
      why = refusal(
          route::value_of<authz::Rbac>(config),
          {.connection = connection, .http = &request, .remote = remote, .claims = tokens.claims()},
          &found);
    }
    if (!why.empty() || preflight) break;
  }
  Outcome outcome = !why.empty()       ? Outcome{Kind::Denied, {}, std::move(why)}
                    : preflight        ? Outcome{Kind::Answered, {}, "preflight"}
                    : route == nullptr ? Outcome{Kind::NoRoute, {}, "no route"}
                                       : target(*route, fields);
  if (outcome.kind == Kind::Forwarded) add_fault(chain, *route, request, outcome);
  if (outcome.kind != Kind::Denied) outcome.asked = std::move(asked);
  outcome.judge = tokens.judge();
  outcome.unknown = tokens.unknown();
  return outcome;
}

Outcome Configuration::target(const route::Route& route, const http::Fields& fields) const {
  if (route.redirect)
    return {Kind::Answered, {}, "redirect " + std::to_string(route.redirect->status)};
  if (route.direct_status)
    return {Kind::Answered, {}, "answer " + std::to_string(*route.direct_status)};
  Outcome outcome{Kind::Forwarded, {}, {}};
  double sum = 0;
  for (const route::WeightedCluster& one : route.clusters) sum += one.weight;
  for (const route::WeightedCluster& one : route.clusters) {
    const std::string_view name = one.cluster_header.empty()
                                      ? std::string_view(one.cluster)
                                      : fields.get(one.cluster_header).value_or("");
    if (one.weight == 0 && route.clusters.size() > 1) continue;
    if (!clusters_.contains(name)) return {Kind::NoCluster, {}, "no cluster " + text::quoted(name)};
    outcome.clusters[std::string(name)] += route.clusters.size() == 1 ? 1 : one.weight / sum;
  }
  return outcome;
}

}  // namespace mesh::replay

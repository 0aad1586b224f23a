#include "discovery/describe_rules.h"

#include <cstdio>
#include <map>

#include "base/text.h"
#include "discovery/provenance.h"

namespace mesh::discovery {
namespace {

std::string text_of(const istio::StringMatch& match) {
  switch (match.match_type_case()) {
    case istio::StringMatch::kExact: return match.exact();
    case istio::StringMatch::kPrefix: return match.prefix() + "*";
    case istio::StringMatch::kRegex: return "~" + match.regex();
    default: return "present";
  }
}

template <class Map>
void add_all(const std::string& what, const Map& matches, std::vector<std::string>& parts) {
  const std::map<std::string, istio::StringMatch> sorted(matches.begin(), matches.end());
  for (const auto& [name, match] : sorted)
    parts.push_back(what + " " + name + "=" + text_of(match));
}

std::string describe_match(const istio::HTTPMatchRequest& match) {
  std::vector<std::string> parts;
  if (match.has_uri()) parts.push_back(text_of(match.uri()));
  if (match.has_method()) parts.push_back("method " + text_of(match.method()));
  if (match.has_authority()) parts.push_back("authority " + text_of(match.authority()));
  if (match.has_scheme()) parts.push_back("scheme " + text_of(match.scheme()));
  if (match.port() != 0) parts.push_back("port " + std::to_string(match.port()));
  add_all("header", match.headers(), parts);
  add_all("without header", match.without_headers(), parts);
  add_all("parameter", match.query_params(), parts);
  for (const auto& [key, value] : std::map<std::string, std::string>(match.source_labels().begin(),
                                                                     match.source_labels().end()))
    parts.push_back("from " + key + "=" + value);
  if (!match.source_namespace().empty())
    parts.push_back("from namespace " + match.source_namespace());
  if (!match.gateways().empty())
    parts.push_back("at " + text::join(std::vector<std::string>(match.gateways().begin(),
                                                                match.gateways().end()),
                                       " or "));
  return parts.empty() ? "all" : text::join(parts, " and ");
}

std::string to_text(const istio::Destination& to) {
  std::string out = to.host();
  if (!to.subset().empty()) out += "/" + to.subset();
  if (to.port().number() != 0) out += ":" + std::to_string(to.port().number());
  return out;
}

template <class Routes>
std::string describe_targets(const Routes& routes) {
  std::vector<std::string> parts;
  for (const auto& route : routes)
    parts.push_back((routes.size() > 1 ? std::to_string(route.weight()) + "% " : "") +
                    to_text(route.destination()));
  return text::join(parts, ", ");
}

std::string describe_action(const istio::HTTPRoute& route) {
  std::string out;
  if (route.has_redirect())
    out = "redirect";
  else if (route.has_direct_response())
    out = "answer " + std::to_string(route.direct_response().status());
  else
    out = describe_targets(route.route());
  std::vector<std::string> more;
  if (route.has_timeout()) more.emplace_back("timeout");
  if (route.has_retries()) more.emplace_back("retries");
  if (route.has_fault()) more.emplace_back("fault");
  if (route.has_rewrite()) more.emplace_back("rewrite");
  if (route.has_headers()) more.emplace_back("headers");
  if (route.has_mirror() || !route.mirrors().empty()) more.emplace_back("mirror");
  if (route.has_cors_policy()) more.emplace_back("cors");
  return more.empty() ? out : out + " (" + text::join(more, ", ") + ")";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> describe_routes(
    const Object<istio::VirtualService>& object) {
  std::vector<std::pair<std::string, std::string>> out;
  const std::string own = origin_of("VirtualService", object.ns, object.name);
  for (int i = 0; i < object.spec.http_size(); ++i) {
    const auto& route = object.spec.http(i);
    std::vector<std::string> matches;
    for (const auto& match : route.match()) matches.push_back(describe_match(match));
    const std::string origin = size_t(i) < object.origins.size()
                                   ? object.origins[size_t(i)].rule
                                   : own + " http[" + std::to_string(i) + "]";
    out.emplace_back(origin, (matches.empty() ? "all" : text::join(matches, " or ")) + " -> " +
                                 describe_action(route));
  }
  for (int i = 0; i < object.spec.tls_size(); ++i)
    out.emplace_back(own + " tls[" + std::to_string(i) + "]",
                     "TLS -> " + describe_targets(object.spec.tls(i).route()));
  for (int i = 0; i < object.spec.tcp_size(); ++i)
    out.emplace_back(own + " tcp[" + std::to_string(i) + "]",
                     "TCP -> " + describe_targets(object.spec.tcp(i).route()));
  return out;
}

std::string describe_policy(const istio::TrafficPolicy& policy) {
  std::vector<std::string> parts;
  if (policy.has_load_balancer()) parts.emplace_back("load balancing");
  if (policy.has_connection_pool()) parts.emplace_back("connection pool");
  if (policy.has_outlier_detection()) parts.emplace_back("outlier detection");
  if (policy.has_retry_budget()) parts.emplace_back("retry budget");
  if (policy.has_tls())
    parts.push_back("TLS " + istio::ClientTLSSettings::TLSmode_Name(policy.tls().mode()));
  if (policy.has_tunnel())
    parts.push_back("through a proxy to " + policy.tunnel().target_host() + ":" +
                    std::to_string(policy.tunnel().target_port()));
  if (!policy.port_level_settings().empty()) parts.emplace_back("settings of ports");
  return parts.empty() ? "no policy of its own" : text::join(parts, ", ");
}

std::string describe_subset(const istio::Subset& subset) {
  std::vector<std::string> labels;
  for (const auto& [key, value] :
       std::map<std::string, std::string>(subset.labels().begin(), subset.labels().end()))
    labels.push_back(key + "=" + value);
  std::string out = "subset " + subset.name() + ": " +
                    (labels.empty() ? "all instances" : text::join(labels, ","));
  if (subset.has_traffic_policy()) out += "; " + describe_policy(subset.traffic_policy());
  return out;
}

std::string describe_sidecar(const istio::Sidecar& sidecar) {
  std::vector<std::string> parts;
  if (!sidecar.ingress().empty())
    parts.push_back("listens on " + std::to_string(sidecar.ingress_size()) + " ports of its own");
  std::vector<std::string> hosts;
  for (const auto& egress : sidecar.egress())
    hosts.insert(hosts.end(), egress.hosts().begin(), egress.hosts().end());
  if (!hosts.empty()) parts.push_back("may call " + text::join(hosts, ", "));
  return parts.empty() ? "nothing" : text::join(parts, "; ");
}

std::string describe_tracing(const istio_telemetry::Telemetry& telemetry) {
  std::vector<std::string> entries;
  for (const auto& tracing : telemetry.tracing()) {
    std::vector<std::string> parts;
    if (tracing.disable_context_propagation().value()) parts.emplace_back("no trace contexts");
    if (tracing.disable_span_reporting().value()) parts.emplace_back("no spans");
    if (tracing.providers_size() > 0) parts.push_back("spans to " + tracing.providers(0).name());
    if (tracing.has_random_sampling_percentage()) {
      char percent[32];
      std::snprintf(percent, sizeof percent, "%g", tracing.random_sampling_percentage().value());
      parts.push_back("samples " + std::string(percent) + " % of traces");
    }
    if (tracing.custom_tags_size() > 0)
      parts.push_back(std::to_string(tracing.custom_tags_size()) + " tags of spans");
    std::string text = parts.empty() ? "trace contexts" : text::join(parts, ", ");
    if (tracing.match().mode() == istio_telemetry::CLIENT) text += " (of calls it makes)";
    if (tracing.match().mode() == istio_telemetry::SERVER) text += " (of calls it serves)";
    entries.push_back(std::move(text));
  }
  return text::join(entries, "; ");
}

}  // namespace mesh::discovery

#include <algorithm>
#include <set>

#include "discovery/compile/build.h"
#include "discovery/compile/callers.h"
#include "discovery/compile/capture.h"
#include "discovery/compile/client_tls.h"
#include "discovery/compile/credential.h"
#include "discovery/compile/health.h"
#include "discovery/compile/load_balancer.h"
#include "discovery/compile/locality.h"
#include "discovery/compile/origin.h"
#include "discovery/compile/probe.h"
#include "discovery/compile/traffic_policy.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/extensions/upstreams/http/v3/http.pb.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::cluster::v3;
using envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
using TlsMode = istio::ClientTLSSettings;

constexpr const char* kHttpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
constexpr Duration kConnectTimeout = std::chrono::seconds(10);  // Istio's
constexpr Duration kDnsRefresh = std::chrono::seconds(60);      // Istio's
constexpr uint32_t kNoLimit = UINT32_MAX;                       // Istio's

void set_limits(const istio::ConnectionPoolSettings& pool, pb::Cluster& cluster) {
  auto& limits = *cluster.mutable_circuit_breakers()->add_thresholds();
  const auto limit = [](int32_t value) { return value > 0 ? uint32_t(value) : kNoLimit; };
  limits.mutable_max_connections()->set_value(limit(pool.tcp().max_connections()));
  limits.mutable_max_pending_requests()->set_value(limit(pool.http().http1_max_pending_requests()));
  limits.mutable_max_requests()->set_value(limit(pool.http().http2_max_requests()));
  limits.mutable_max_retries()->set_value(limit(pool.http().max_retries()));
  if (!pool.tcp().has_tcp_keepalive()) return;
  const auto& from = pool.tcp().tcp_keepalive();
  auto& to = *cluster.mutable_upstream_connection_options()->mutable_tcp_keepalive();
  if (from.probes() != 0) to.mutable_keepalive_probes()->set_value(from.probes());
  if (from.has_time()) to.mutable_keepalive_time()->set_value(uint32_t(from.time().seconds()));
  if (from.has_interval())
    to.mutable_keepalive_interval()->set_value(uint32_t(from.interval().seconds()));
}

void set_retry_budget(const istio::TrafficPolicy::RetryBudget& from, pb::Cluster& cluster) {
  auto& budget = *cluster.mutable_circuit_breakers()->mutable_thresholds(0)->mutable_retry_budget();
  budget.mutable_budget_percent()->set_value(from.has_percent() ? from.percent().value() : 20);
  budget.mutable_min_retry_concurrency()->set_value(
      from.min_retry_concurrency() == 0 ? 3 : from.min_retry_concurrency());
  if (from.has_budget_interval()) *budget.mutable_budget_interval() = from.budget_interval();
}

void set_connections(const istio::TrafficPolicy& policy, pb::Cluster& cluster) {
  const auto& pool = policy.connection_pool();
  set(kConnectTimeout, *cluster.mutable_connect_timeout());
  if (pool.tcp().has_connect_timeout())
    *cluster.mutable_connect_timeout() = pool.tcp().connect_timeout();
  set_limits(pool, cluster);
  if (policy.has_retry_budget()) set_retry_budget(policy.retry_budget(), cluster);
}

void set_outlier(const istio::OutlierDetection& from, pb::Cluster& cluster) {
  auto& to = *cluster.mutable_outlier_detection();
  to.mutable_enforcing_success_rate()->set_value(0);  // Istio: only consecutive errors
  if (from.has_consecutive_5xx_errors()) {
    const uint32_t errors = from.consecutive_5xx_errors().value();
    if (errors > 0) to.mutable_consecutive_5xx()->set_value(errors);
    to.mutable_enforcing_consecutive_5xx()->set_value(errors > 0 ? 100 : 0);
  }
  if (from.has_consecutive_gateway_errors()) {
    const uint32_t errors = from.consecutive_gateway_errors().value();
    if (errors > 0) to.mutable_consecutive_gateway_failure()->set_value(errors);
    to.mutable_enforcing_consecutive_gateway_failure()->set_value(errors > 0 ? 100 : 0);
  }
  if (from.split_external_local_origin_errors()) {
    to.set_split_external_local_origin_errors(true);
    if (from.has_consecutive_local_origin_failures()) {
      const uint32_t failures = from.consecutive_local_origin_failures().value();
      if (failures > 0) to.mutable_consecutive_local_origin_failure()->set_value(failures);
      to.mutable_enforcing_consecutive_local_origin_failure()->set_value(failures > 0 ? 100 : 0);
    }
    to.mutable_enforcing_local_origin_success_rate()->set_value(0);
  }
  if (from.has_interval()) *to.mutable_interval() = from.interval();
  if (from.has_base_ejection_time()) *to.mutable_base_ejection_time() = from.base_ejection_time();
  if (from.max_ejection_percent() > 0)
    to.mutable_max_ejection_percent()->set_value(uint32_t(from.max_ejection_percent()));
  if (from.min_health_percent() > 0)
    cluster.mutable_common_lb_config()->mutable_healthy_panic_threshold()->set_value(
        from.min_health_percent());
}

enum class Http : uint8_t { Http1, Http2, Alpn, Client };

// Null: no connection of the cluster will speak it.
envoy::config::core::v3::Http2ProtocolOptions* http2_of(HttpProtocolOptions& options) {
  if (options.has_auto_config())
    return options.mutable_auto_config()->mutable_http2_protocol_options();
  if (options.has_use_downstream_protocol_config())
    return options.mutable_use_downstream_protocol_config()->mutable_http2_protocol_options();
  auto& config = *options.mutable_explicit_http_config();
  return config.has_http2_protocol_options() ? config.mutable_http2_protocol_options() : nullptr;
}

// Envoy: a set of matches has two at least.
void set_errors(const istio::OutlierDetection& outlier,
                envoy::config::common::matcher::v3::MatchPredicate& into) {
  const auto& codes = outlier.outlier_detection_http_error_codes();
  for (const uint32_t code : codes) {
    auto& match = codes.size() == 1 ? into : *into.mutable_or_match()->add_rules();
    auto& header = *match.mutable_http_response_headers_match()->add_headers();
    header.set_name(":status");
    header.mutable_string_match()->set_exact(std::to_string(code));
  }
}

void set_protocol(Http protocol, const istio::ConnectionPoolSettings& pool,
                  const istio::OutlierDetection& outlier, pb::Cluster& cluster) {
  HttpProtocolOptions options;
  switch (protocol) {
    case Http::Http1:
      options.mutable_explicit_http_config()->mutable_http_protocol_options();
      break;
    case Http::Http2:
      options.mutable_explicit_http_config()->mutable_http2_protocol_options()->set_allow_connect(
          true);
      break;
    case Http::Alpn:
      options.mutable_auto_config()->mutable_http_protocol_options();
      options.mutable_auto_config()->mutable_http2_protocol_options()->set_allow_connect(true);
      break;
    case Http::Client: {
      auto& client = *options.mutable_use_downstream_protocol_config();
      client.mutable_http_protocol_options();
      client.mutable_http2_protocol_options()->set_allow_connect(true);
      break;
    }
  }
  if (auto* const http2 = http2_of(options)) {
    if (const int32_t streams = pool.http().max_concurrent_streams(); streams > 0)
      http2->mutable_max_concurrent_streams()->set_value(uint32_t(streams));
    if (const auto& ping = pool.http().http2_keep_alive(); pool.http().has_http2_keep_alive()) {
      *http2->mutable_connection_keepalive()->mutable_interval() = ping.interval();
      *http2->mutable_connection_keepalive()->mutable_timeout() = ping.timeout();
    }
  }
  if (!outlier.outlier_detection_http_error_codes().empty())
    set_errors(outlier, *options.mutable_outlier_detection()->mutable_error_matcher());
  if (const int32_t requests = pool.http().max_requests_per_connection(); requests > 0)
    options.mutable_common_http_protocol_options()
        ->mutable_max_requests_per_connection()
        ->set_value(uint32_t(requests));
  if (pool.http().has_idle_timeout())
    *options.mutable_common_http_protocol_options()->mutable_idle_timeout() =
        pool.http().idle_timeout();
  if (pool.tcp().has_max_connection_duration())
    *options.mutable_common_http_protocol_options()->mutable_max_connection_duration() =
        pool.tcp().max_connection_duration();
  pack(options, (*cluster.mutable_typed_extension_protocol_options())[kHttpOptions]);
}

// Connections go to the address that they were made to.
bool callers_choose(const Service& service, const istio::TrafficPolicy& policy) {
  return service.resolution == Service::Resolution::None ||
         policy.load_balancer().simple() == istio::LoadBalancerSettings::PASSTHROUGH;
}

// How peers are reached: all under the mesh's TLS, all under another, none, or as each
// endpoint says.
enum class Security : uint8_t { Plain, Tls, OtherTls, ByEndpoint };

Security security_of(const Model& model, const Service& service, const Port& port,
                     const istio::TrafficPolicy& policy) {
  if (policy.has_tls()) {
    switch (policy.tls().mode()) {
      case TlsMode::ISTIO_MUTUAL: return Security::Tls;
      case TlsMode::SIMPLE:
      case TlsMode::MUTUAL: return Security::OtherTls;
      default: return Security::Plain;
    }
  }
  // Nobody knows who the endpoints are that callers choose.
  if (service.external || service.resolution == Service::Resolution::None) return Security::Plain;
  const bool all = std::all_of(service.workloads.begin(), service.workloads.end(),
                               [&](const Workload* workload) {
                                 return speaks_tls(model, service, instance_of(*workload, port));
                               });
  return all ? Security::Tls : Security::ByEndpoint;
}

Http protocol_of(const Port& port, Security security, const istio::ConnectionPoolSettings& pool) {
  using Pool = istio::ConnectionPoolSettings::HTTPSettings;
  // Istio: the client's protocol goes before all.
  if (pool.http().use_client_protocol()) return Http::Client;
  if (needs_http2(port.protocol)) return Http::Http2;
  if (!port.declared && pool.http().h2_upgrade_policy() == Pool::DEFAULT) return Http::Client;
  switch (pool.http().h2_upgrade_policy()) {
    case Pool::UPGRADE: return Http::Http2;
    case Pool::DO_NOT_UPGRADE: return Http::Http1;
    default:
      // ALPN needs TLS towards every endpoint (Envoy refuses it otherwise).
      return security == Security::Tls ? Http::Alpn : Http::Http1;
  }
}

// Who may answer for the service: its instances' identities.
std::vector<std::string> identities_of(const Model& model, const Service& service,
                                       const istio::TrafficPolicy& policy) {
  std::set<std::string> names(service.subject_alt_names.begin(), service.subject_alt_names.end());
  names.insert(policy.tls().subject_alt_names().begin(), policy.tls().subject_alt_names().end());
  for (const auto* workload : service.workloads)
    if (const std::string id = model.identity(*workload); !id.empty()) names.insert(id);
  return {names.begin(), names.end()};
}

void set_security(const Model& model, const Node& node, const Service& service, const Port& port,
                  const std::string& subset, const istio::TrafficPolicy& policy, Security security,
                  Http protocol, pb::Cluster& cluster) {
  if (security == Security::Plain) return;
  std::string sni = policy.tls().sni();
  if (sni.empty())
    sni = "outbound_." + std::to_string(port.number) + "_." + subset + "_." + service.host;
  if (security == Security::OtherTls) {
    std::vector<std::string> alpn;
    if (protocol == Http::Http2) alpn.emplace_back("h2");
    return set_client_tls(with_files(node, policy.tls()), service, alpn,
                          *cluster.mutable_transport_socket());
  }
  const auto names = identities_of(model, service, policy);
  if (security == Security::Tls)
    return set_peer_tls(names, sni, *cluster.mutable_transport_socket());
  auto& tls = *cluster.add_transport_socket_matches();
  tls.set_name("tlsMode-istio");
  (*tls.mutable_match()->mutable_fields())["tlsMode"].set_string_value("istio");
  set_peer_tls(names, sni, *tls.mutable_transport_socket());
  auto& plain = *cluster.add_transport_socket_matches();
  plain.set_name("tlsMode-disabled");
  plain.mutable_match();
  set_raw_buffer(*plain.mutable_transport_socket());
}

// What metrics call the service.
void set_service(const Service& service, pb::Cluster& cluster) {
  auto& istio = (*cluster.mutable_metadata()->mutable_filter_metadata())["istio"];
  auto& list = *(*istio.mutable_fields())["services"].mutable_list_value();
  auto& fields = *list.add_values()->mutable_struct_value()->mutable_fields();
  fields["host"].set_string_value(service.host);
  fields["name"].set_string_value(service.host.substr(0, service.host.find('.')));
  fields["namespace"].set_string_value(service.ns);
}

// The first service that finds the node's workload at this port, and its port; or null.
struct Served {
  const Service* service = nullptr;
  const Port* port = nullptr;
};

Served served_at(const Model& model, const Node& node, const InboundPort& port) {
  const Workload* const workload = model.workload_of(node);
  if (workload == nullptr) return {};
  for (const auto* service : model.services_of(*workload)) {
    for (const auto& one : service->ports)
      if (instance_of(*workload, one).port == port.port) return {service, &one};
  }
  return {};
}

// Limits towards the application: of the Sidecar, else of the service's DestinationRule, which
// holds at both ends (Istio, Sidecar.inboundConnectionPool).
istio::TrafficPolicy inbound_policy(const Model& model, const Node& node, const Served& served,
                                    const InboundPort& port) {
  istio::TrafficPolicy policy;
  if (served.service != nullptr)
    policy = policy_for(model.destination_rule(*served.service, node.ns, {}), nullptr,
                        served.port->number);
  if (port.pool != nullptr) *policy.mutable_connection_pool() = *port.pool;
  return policy;
}

void set_caller(const Model& model, const Node& node, pb::Cluster& cluster) {
  const Service* const service = calling_service(model, node);
  if (service == nullptr) return;
  auto& mesh = (*cluster.mutable_metadata()->mutable_filter_metadata())["mesh"];
  auto& caller = *(*mesh.mutable_fields())["caller"].mutable_struct_value()->mutable_fields();
  caller["locality"].set_string_value(model.locality(node));
  caller["cluster"].set_string_value(outbound_name(service->ports[0].number, "", service->host));
}

// The refresh rate is Istio's. Its family is that of the proxy's own address; here the one
// that most names have goes first.
void set_names(const Model& model, const Node& node, const Service& service, pb::Cluster& cluster) {
  cluster.set_dns_lookup_family(pb::Cluster::V4_PREFERRED);
  const auto* const mesh = model.mesh_config();
  if (mesh != nullptr && mesh->spec.has_dns_refresh_rate())
    *cluster.mutable_dns_refresh_rate() = mesh->spec.dns_refresh_rate();
  else
    set(kDnsRefresh, *cluster.mutable_dns_refresh_rate());
  for (const Resource& one : assignments_of(model, service, node))
    if (one.name == cluster.name()) cluster.mutable_load_assignment()->ParseFromString(*one.body);
  auto& assignment = *cluster.mutable_load_assignment();
  assignment.set_cluster_name(cluster.name());
  // A subset may have no endpoint, and LOGICAL_DNS has exactly one.
  const bool logical = service.resolution == Service::Resolution::DnsRoundRobin &&
                       assignment.endpoints_size() == 1 &&
                       assignment.endpoints(0).lb_endpoints_size() == 1;
  cluster.set_type(logical ? pb::Cluster::LOGICAL_DNS : pb::Cluster::STRICT_DNS);
}

void set_discovery(const Model& model, const Node& node, const Service& service,
                   const istio::TrafficPolicy& policy, pb::Cluster& cluster) {
  if (callers_choose(service, policy)) {
    cluster.set_type(pb::Cluster::ORIGINAL_DST);
    cluster.set_lb_policy(pb::Cluster::CLUSTER_PROVIDED);
    return;
  }
  if (service.resolution != Service::Resolution::Static)
    return set_names(model, node, service, cluster);
  cluster.set_type(pb::Cluster::EDS);
  set_ads(*cluster.mutable_eds_cluster_config()->mutable_eds_config());
  cluster.mutable_eds_cluster_config()->set_service_name(cluster.name());
}

// Which endpoint: of no use where callers choose it themselves.
void set_choice(const Model& model, const Node& node, const istio::TrafficPolicy& policy,
                const Object<v1::ServicePolicy>* own, pb::Cluster& cluster) {
  set_load_balancer(
      policy.load_balancer(),
      own != nullptr && own->spec.has_load_balancer() ? &own->spec.load_balancer() : nullptr,
      cluster);
  if (LocalityRule(policy, node, model.locality(node)).weighted())
    cluster.mutable_common_lb_config()->mutable_locality_weighted_lb_config();
  if (cluster.common_lb_config().has_zone_aware_lb_config()) set_caller(model, node, cluster);
  if (policy.has_outlier_detection()) set_outlier(policy.outlier_detection(), cluster);
  if (own != nullptr) set_health(own->spec, cluster);
}

Resource outbound_cluster(const Model& model, const Node& node, const Service& service,
                          const Port& port, const std::string& subset,
                          const istio::TrafficPolicy& policy, const std::string& origin,
                          const Object<v1::ServicePolicy>* own) {
  pb::Cluster cluster;
  cluster.set_name(outbound_name(port.number, subset, service.host));
  set_origin("service", service.object, *cluster.mutable_metadata());
  set_origin("config", origin, *cluster.mutable_metadata());
  if (own != nullptr)
    set_origin("policy", origin_of("ServicePolicy", own->ns, own->name),
               *cluster.mutable_metadata());
  set_discovery(model, node, service, policy, cluster);
  const auto& pool = policy.connection_pool();
  set_connections(policy, cluster);
  const bool chosen = callers_choose(service, policy);
  if (!chosen) set_choice(model, node, policy, own, cluster);
  Security security = security_of(model, service, port, policy);
  const Http protocol = protocol_of(port, security, pool);
  if (may_be_http(port)) set_protocol(protocol, pool, policy.outlier_detection(), cluster);
  // The PROXY protocol is for one socket: Istio drops the choice by endpoint, too.
  // Nor is anything known of an endpoint that the caller chose.
  if ((policy.has_proxy_protocol() || chosen) && security == Security::ByEndpoint)
    security = Security::Plain;
  set_security(model, node, service, port, subset, policy, security, protocol, cluster);
  if (policy.has_proxy_protocol())
    add_proxy_protocol(policy.proxy_protocol(), *cluster.mutable_transport_socket());
  set_service(service, cluster);
  return resource(cluster.name(), cluster);
}

pb::Cluster inbound_cluster(const Model& model, const Node& node, const InboundPort& port) {
  const Served served = served_at(model, node, port);
  const istio::TrafficPolicy policy = inbound_policy(model, node, served, port);
  const auto& pool = policy.connection_pool();
  pb::Cluster cluster;
  cluster.set_name(inbound_name(port));
  set_connections(policy, cluster);
  if (port.application.empty()) {
    set_inbound_original(node.capture_inbound, cluster);
  } else {
    cluster.set_type(pb::Cluster::STATIC);
    auto& assignment = *cluster.mutable_load_assignment();
    assignment.set_cluster_name(cluster.name());
    set_address(
        port.application,
        *assignment.add_endpoints()->add_lb_endpoints()->mutable_endpoint()->mutable_address());
  }
  if (!port.declared || (port.http && pool.http().use_client_protocol()))
    set_protocol(Http::Client, pool, {}, cluster);
  else if (port.http)
    set_protocol(port.http2 ? Http::Http2 : Http::Http1, pool, {}, cluster);
  if (served.service != nullptr) {
    set_origin("service", served.service->object, *cluster.mutable_metadata());
    set_service(*served.service, cluster);
  }
  set_origin("config", port.origin, *cluster.mutable_metadata());
  return cluster;
}

}  // namespace

std::vector<Resource> compile_service_clusters(const Model& model, const Service& service,
                                               const Node& node) {
  std::vector<Resource> result;
  const auto* rule = model.destination_rule(service, node);
  const std::string origin = rule == nullptr ? "" : origin_of(*rule);
  for (const auto& port : service.ports) {
    result.push_back(outbound_cluster(model, node, service, port, "",
                                      policy_for(rule, nullptr, port.number), origin,
                                      model.service_policy(service, "", node.ns)));
    if (rule == nullptr) continue;
    for (int i = 0; i < rule->spec.subsets_size(); ++i) {
      const auto& subset = rule->spec.subsets(i);
      result.push_back(outbound_cluster(
          model, node, service, port, subset.name(), policy_for(rule, &subset, port.number),
          origin_of_subset(*rule, i), model.service_policy(service, subset.name(), node.ns)));
    }
  }
  return result;
}

std::vector<Resource> compile_inbound_clusters(const Model& model, const Node& node) {
  std::vector<Resource> result;
  const auto ports = inbound_ports(model, node);
  for (const auto& port : ports) {
    auto cluster = inbound_cluster(model, node, port);
    set_probe(model, node, ports, port, cluster);
    result.push_back(resource(cluster.name(), cluster));
  }
  for (auto& cluster : compile_capture_clusters(node)) result.push_back(std::move(cluster));
  return result;
}

std::vector<Resource> compile_clusters(const Model& model, const Node& node) {
  std::vector<Resource> result;
  for (const auto* service : model.services_for(node))
    for (auto& one : compile_service_clusters(model, *service, node))
      result.push_back(std::move(one));
  for (auto& one : compile_inbound_clusters(model, node)) result.push_back(std::move(one));
  return result;
}

}  // namespace mesh::discovery

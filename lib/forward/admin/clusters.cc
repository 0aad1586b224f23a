#include "base/json.h"
#include "forward/admin/address.h"
#include "forward/admin/pages.h"

namespace mesh::forward::admin {
namespace {

std::string_view health_of(const upstream::EndpointSpec& endpoint) {
  if (endpoint.shared->health.ejected()) return "/failed_outlier_check";
  return endpoint.usable ? "healthy" : "/failed_eds_health";
}

std::string_view eds_status(xds::HealthStatus health) {
  switch (health) {
    case xds::HealthStatus::Unknown:
    case xds::HealthStatus::Healthy: return "HEALTHY";
    case xds::HealthStatus::Unhealthy: return "UNHEALTHY";
    case xds::HealthStatus::Draining: return "DRAINING";
    case xds::HealthStatus::Degraded: return "DEGRADED";
    case xds::HealthStatus::Timeout: return "TIMEOUT";
  }
  return "UNKNOWN";
}

void text_of(const upstream::ClusterSpec& cluster, std::string& out) {
  const std::string& name = cluster.name();
  const xds::CircuitLimits& limits = cluster.config->limits;
  const auto line = [&](std::string_view key, const std::string& value) {
    out.append(name).append("::").append(key).append("::").append(value).append("\n");
  };
  const std::string& alt = cluster.config->alt_stat_name;
  line("observability_name", alt.empty() ? name : alt);
  line("default_priority::max_connections", std::to_string(limits.max_connections));
  line("default_priority::max_pending_requests", std::to_string(limits.max_pending_requests));
  line("default_priority::max_requests", std::to_string(limits.max_requests));
  line("default_priority::max_retries", std::to_string(limits.max_retries));
  line("default_priority::rq_active", std::to_string(cluster.shared->usage.requests.value()));
  for (size_t i = 0; i < cluster.endpoints.size(); ++i) {
    const upstream::EndpointSpec& e = cluster.endpoints[i];
    const xds::Endpoint& said = cluster.assignment->endpoints[i];
    line(e.text + "::hostname", said.hostname);
    line(e.text + "::health_flags", std::string(health_of(e)));
    line(e.text + "::weight", std::to_string(e.weight));
    line(e.text + "::priority", std::to_string(said.priority));
  }
}

void json_of(const upstream::ClusterSpec& cluster, json::Writer& w) {
  const xds::CircuitLimits& limits = cluster.config->limits;
  const std::string& alt = cluster.config->alt_stat_name;
  w.object().field("name", cluster.name()).key("host_statuses").list();
  for (size_t i = 0; i < cluster.endpoints.size(); ++i) {
    const upstream::EndpointSpec& e = cluster.endpoints[i];
    const xds::Endpoint& said = cluster.assignment->endpoints[i];
    w.object().key("address");
    write_address(e.address, w);
    w.key("health_status").object();
    if (e.shared->health.ejected()) w.key("failed_outlier_check").boolean(true);
    w.field("eds_health_status", eds_status(said.health)).end();
    w.key("weight").number(e.weight);
    if (!said.hostname.empty()) w.field("hostname", said.hostname);
    if (said.priority != 0) w.key("priority").number(said.priority);
    w.end();
  }
  w.end().key("circuit_breakers").object().key("thresholds").list().object();
  w.key("max_connections").number(limits.max_connections);
  w.key("max_pending_requests").number(limits.max_pending_requests);
  w.key("max_requests").number(limits.max_requests);
  w.key("max_retries").number(limits.max_retries);
  w.end().end().end();
  w.field("observability_name", alt.empty() ? cluster.name() : alt).end();
}

}  // namespace

Page clusters(const Forwarder& forwarder, const Query& query) {
  auto wanted = name_filter(query, "filter");
  if (!wanted) return {.status = 400, .body = wanted.error().text + "\n"};
  const bool as_json = query.get("format") == "json";
  Page page;
  if (as_json) page.type = kJson;
  json::Writer w;
  if (as_json) w.object().key("cluster_statuses").list();
  if (const Snapshot* const snapshot = forwarder.snapshot()) {
    for (const auto& [name, cluster] : snapshot->clusters) {
      if (!(*wanted)(name)) continue;
      if (as_json)
        json_of(*cluster, w);
      else
        text_of(*cluster, page.body);
    }
  }
  if (as_json) page.body = w.end().end().take();
  return page;
}

}  // namespace mesh::forward::admin

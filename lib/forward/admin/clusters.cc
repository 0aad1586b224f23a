#include "base/json.h"
#include "base/text.h"
#include "forward/admin/address.h"
#include "forward/admin/pages.h"

namespace mesh::forward::admin {
namespace {

std::string_view health_of(const upstream::EndpointSpec& endpoint) {
  if (endpoint.shared->health.ejected()) return "/failed_outlier_check";
  switch (endpoint.health) {
    case balance::Health::Healthy: return "healthy";
    case balance::Health::Degraded: return "/degraded_eds_health";
    case balance::Health::Draining: return "/eds_status_draining";
    default: return "/failed_eds_health";
  }
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
    const xds::LocalityGroup& group = cluster.assignment->groups[said.group];
    line(e.text + "::hostname", said.hostname);
    line(e.text + "::health_flags", std::string(health_of(e)));
    line(e.text + "::weight", std::to_string(e.weight));
    const auto parts = text::split(group.locality, '/');
    const auto part = [&](size_t n) { return std::string(n < parts.size() ? parts[n] : ""); };
    line(e.text + "::region", part(0));
    line(e.text + "::zone", part(1));
    line(e.text + "::sub_zone", part(2));
    line(e.text + "::priority", std::to_string(group.priority));
  }
}

void write_locality(std::string_view locality, json::Writer& w) {
  constexpr std::string_view kParts[] = {"region", "zone", "sub_zone"};
  const auto parts = text::split(locality, '/');
  w.key("locality").object();
  for (size_t i = 0; i < parts.size() && i < std::size(kParts); ++i)
    if (!parts[i].empty()) w.field(kParts[i], parts[i]);
  w.end();
}

void json_of(const upstream::ClusterSpec& cluster, json::Writer& w) {
  const xds::CircuitLimits& limits = cluster.config->limits;
  const std::string& alt = cluster.config->alt_stat_name;
  w.object().field("name", cluster.name()).key("host_statuses").list();
  for (size_t i = 0; i < cluster.endpoints.size(); ++i) {
    const upstream::EndpointSpec& e = cluster.endpoints[i];
    const xds::Endpoint& said = cluster.assignment->endpoints[i];
    const xds::LocalityGroup& group = cluster.assignment->groups[said.group];
    w.object().key("address");
    write_address(e.address, w);
    w.key("health_status").object();
    if (e.shared->health.ejected()) w.key("failed_outlier_check").boolean(true);
    w.field("eds_health_status", eds_status(said.health)).end();
    w.key("weight").number(e.weight);
    if (!said.hostname.empty()) w.field("hostname", said.hostname);
    if (group.priority != 0) w.key("priority").number(group.priority);
    if (!group.locality.empty()) write_locality(group.locality, w);
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

#include "base/json.h"
#include "base/text.h"
#include "forward/admin/address.h"
#include "forward/admin/pages.h"

namespace mesh::forward::admin {
namespace {}  // namespace

std::string health_flags(const upstream::EndpointSpec& endpoint, const xds::Endpoint& said) {
  using Shared = upstream::SharedEndpoint;
  const uint8_t check = endpoint.shared->check.load(std::memory_order_acquire);
  std::string flags;
  if (endpoint.shared->check_failed()) flags += "/failed_active_hc";
  if (endpoint.shared->health.ejected()) flags += "/failed_outlier_check";
  if (endpoint.health == balance::Health::Unhealthy) flags += "/failed_eds_health";
  if ((check & Shared::kDegradedCheck) != 0) flags += "/degraded_active_hc";
  if (endpoint.health == balance::Health::Degraded) flags += "/degraded_eds_health";
  if ((check & Shared::kPendingCheck) != 0) flags += "/pending_active_hc";
  if ((check & Shared::kFailedAtOnce) != 0) flags += "/excluded_via_immediate_hc_fail";
  if ((check & Shared::kTimeoutCheck) != 0) flags += "/active_hc_timeout";
  if (said.health == xds::HealthStatus::Draining) flags += "/eds_status_draining";
  return flags.empty() ? "healthy" : flags;
}

namespace {

struct HostNumber {
  std::string_view text;  // of the text page; also the name of JSON's counter
  upstream::HostCount count;
  bool gauge;
};
constexpr HostNumber kHostNumbers[] = {
    {"cx_active", upstream::HostCount::CxActive, true},
    {"cx_connect_fail", upstream::HostCount::CxConnectFail, false},
    {"cx_total", upstream::HostCount::CxTotal, false},
    {"rq_active", upstream::HostCount::RqActive, true},
    {"rq_error", upstream::HostCount::RqError, false},
    {"rq_success", upstream::HostCount::RqSuccess, false},
    {"rq_timeout", upstream::HostCount::RqTimeout, false},
    {"rq_total", upstream::HostCount::RqTotal, false},
};

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
  const auto line = [&](std::string_view key, const std::string& value) {
    out.append(name).append("::").append(key).append("::").append(value).append("\n");
  };
  const std::string& alt = cluster.config->alt_stat_name;
  line("observability_name", alt.empty() ? name : alt);
  for (const bool high : {false, true}) {
    const xds::CircuitLimits& limits = cluster.limits(high);
    const std::string head = high ? "high_priority::" : "default_priority::";
    line(head + "max_connections", std::to_string(limits.max_connections));
    line(head + "max_pending_requests", std::to_string(limits.max_pending_requests));
    line(head + "max_requests", std::to_string(limits.max_requests));
    line(head + "max_retries", std::to_string(limits.max_retries));
  }
  line("default_priority::rq_active", std::to_string(cluster.shared->usage.requests.value()));
  if (cluster.config->outlier)
    line("outlier::ejections_active", std::to_string(cluster.shared->outlier.ejected()));
  for (size_t i = 0; i < cluster.endpoints.size(); ++i) {
    const upstream::EndpointSpec& e = cluster.endpoints[i];
    const xds::Endpoint& said = cluster.assignment->endpoints[i];
    const xds::LocalityGroup& group = cluster.assignment->groups[said.group];
    for (const HostNumber& number : kHostNumbers)
      line(e.text + "::" + std::string(number.text),
           std::to_string(e.shared->stats.sum(number.count)));
    line(e.text + "::hostname", said.hostname);
    line(e.text + "::health_flags", health_flags(e, said));
    line(e.text + "::weight", std::to_string(e.weight));
    const auto parts = text::split(group.locality, '/');
    const auto part = [&](size_t n) { return std::string(n < parts.size() ? parts[n] : ""); };
    line(e.text + "::region", part(0));
    line(e.text + "::zone", part(1));
    line(e.text + "::sub_zone", part(2));
    line(e.text + "::priority", std::to_string(group.priority));
    const auto rate = [](double percent) {
      return percent < 0 ? std::string("-1") : std::to_string(percent);
    };
    line(e.text + "::success_rate", rate(e.shared->health.success_rate));
    line(e.text + "::local_origin_success_rate", rate(e.shared->health.local_success_rate));
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
    w.key("stats").list();
    for (const HostNumber& number : kHostNumbers) {
      w.object().field("name", number.text).key("value").number(e.shared->stats.sum(number.count));
      if (number.gauge) w.field("type", "GAUGE");
      w.end();
    }
    w.end().key("health_status").object();
    if (e.shared->check_failed()) w.key("failed_active_health_check").boolean(true);
    const uint8_t check = e.shared->check.load(std::memory_order_acquire);
    if ((check & upstream::SharedEndpoint::kPendingCheck) != 0)
      w.key("pending_active_hc").boolean(true);
    if ((check & upstream::SharedEndpoint::kTimeoutCheck) != 0)
      w.key("active_hc_timeout").boolean(true);
    if (e.shared->degraded()) w.key("failed_active_degraded_check").boolean(true);
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
    for (const auto& [name, configured] : snapshot->clusters) {
      if (!(*wanted)(name)) continue;
      const auto cluster = upstream::with_hosts(configured);
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

#include "discovery/compile/probe.h"

#include <algorithm>

#include "base/text.h"
#include "discovery/compile/origin.h"
#include "discovery/group.h"

namespace mesh::discovery {
namespace {

namespace core = envoy::config::core::v3;
using From = istio::ReadinessProbe;

uint32_t port_of(const From& from) {
  if (from.has_http_get()) return from.http_get().port();
  if (from.has_tcp_socket()) return from.tcp_socket().port();
  return from.grpc().port();
}

void set_http(const istio::HTTPHealthCheckConfig& from, core::HealthCheck::HttpHealthCheck& to) {
  to.set_path(from.path().empty() ? "/" : from.path());
  for (const auto& header : from.http_headers()) {
    if (text::iequals(header.name(), "host")) {
      to.set_host(header.value());
      continue;
    }
    auto& added = *to.add_request_headers_to_add()->mutable_header();
    added.set_key(header.name());
    added.set_value(header.value());
  }
  auto& well = *to.add_expected_statuses();
  well.set_start(200);
  well.set_end(400);
}

int32_t given(int32_t value, int32_t otherwise) { return value != 0 ? value : otherwise; }

// Defaults are Istio's (ReadinessProbe).
void set_check(const From& from, core::HealthCheck& to) {
  to.mutable_timeout()->set_seconds(given(from.timeout_seconds(), 1));
  to.mutable_interval()->set_seconds(given(from.period_seconds(), 10));
  // Without traffic as often: callers wait for the first success.
  *to.mutable_no_traffic_interval() = to.interval();
  to.mutable_healthy_threshold()->set_value(uint32_t(given(from.success_threshold(), 1)));
  to.mutable_unhealthy_threshold()->set_value(uint32_t(given(from.failure_threshold(), 3)));
  to.mutable_alt_port()->set_value(port_of(from));
  if (from.has_http_get())
    set_http(from.http_get(), *to.mutable_http_health_check());
  else if (from.has_tcp_socket())
    to.mutable_tcp_health_check();
  else
    to.mutable_grpc_health_check()->set_service_name(from.grpc().service());
}

bool asks(const InboundPort& port, uint32_t number) {
  return port.port == number || port.application.ends_with(":" + std::to_string(number));
}

}  // namespace

void set_probe(const Model& model, const Node& node, const std::vector<InboundPort>& ports,
               const InboundPort& port, envoy::config::cluster::v3::Cluster& cluster) {
  const Workload* const workload = model.workload_of(node);
  if (workload == nullptr || workload->group.empty()) return;
  const auto* const group = find_group(model.objects(), workload->ns, workload->group);
  if (group == nullptr || !group->spec.has_probe()) return;
  const uint32_t number = port_of(group->spec.probe());
  const auto asked =
      std::find_if(ports.begin(), ports.end(), [&](const auto& one) { return asks(one, number); });
  const InboundPort& bearer = asked == ports.end() ? ports.front() : *asked;
  if (bearer.port != port.port) return;
  // A Unix socket has no other port.
  if (bearer.application.starts_with("unix:")) return;
  set_check(group->spec.probe(), *cluster.add_health_checks());
  set_origin("probe", origin_of("WorkloadGroup", group->ns, group->name),
             *cluster.mutable_metadata());
}

}  // namespace mesh::discovery

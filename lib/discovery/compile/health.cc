#include "discovery/compile/health.h"

#include <algorithm>

#include "base/text.h"
#include "discovery/compile/build.h"
#include "mesh/xds/v1/outlier_return.pb.h"

namespace mesh::discovery {
namespace {

namespace core = envoy::config::core::v3;
using From = v1::ServicePolicy::HealthCheck;

// "200" or "200-299", which validation has let pass.
void add_statuses(const google::protobuf::RepeatedPtrField<std::string>& texts,
                  google::protobuf::RepeatedPtrField<envoy::type::v3::Int64Range>& into) {
  for (const std::string& one : texts) {
    const auto parts = text::split(one, '-');
    auto& range = *into.Add();
    range.set_start(std::stoi(std::string(parts.front())));
    range.set_end(std::stoi(std::string(parts.back())) + 1);
  }
}

template <class Headers>
void add_headers(const Headers& headers,
                 google::protobuf::RepeatedPtrField<core::HeaderValueOption>& into) {
  std::vector<std::pair<std::string, std::string>> sorted(headers.begin(), headers.end());
  std::sort(sorted.begin(), sorted.end());  // a map has no order, a resource has one
  for (const auto& [name, value] : sorted) {
    auto& header = *into.Add()->mutable_header();
    header.set_key(name);
    header.set_value(value);
  }
}

std::string hex(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[uint8_t(c) >> 4];
    out += kDigits[uint8_t(c) & 15];
  }
  return out;
}

void set_checker(const From& from, core::HealthCheck& to) {
  if (from.has_tcp()) {
    auto& tcp = *to.mutable_tcp_health_check();
    if (!from.tcp().send().empty()) tcp.mutable_send()->set_text(hex(from.tcp().send()));
    for (const auto& bytes : from.tcp().receive()) tcp.add_receive()->set_text(hex(bytes));
  } else if (from.has_grpc()) {
    auto& grpc = *to.mutable_grpc_health_check();
    grpc.set_service_name(from.grpc().service());
    grpc.set_authority(from.grpc().authority());
  } else {
    auto& http = *to.mutable_http_health_check();
    http.set_path(from.http().path());
    http.set_host(from.http().host());
    core::RequestMethod method = core::METHOD_UNSPECIFIED;
    core::RequestMethod_Parse(from.http().method(), &method);
    http.set_method(method);
    if (from.http().http2()) http.set_codec_client_type(envoy::type::v3::HTTP2);
    add_headers(from.http().headers(), *http.mutable_request_headers_to_add());
    add_statuses(from.http().expected_statuses(), *http.mutable_expected_statuses());
    add_statuses(from.http().retriable_statuses(), *http.mutable_retriable_statuses());
  }
}

void set_check(const From& from, core::HealthCheck& to) {
#define MESH_COPY(field) \
  if (from.has_##field()) *to.mutable_##field() = from.field()
  *to.mutable_timeout() = from.timeout();
  *to.mutable_interval() = from.interval();
  MESH_COPY(initial_jitter);
  MESH_COPY(interval_jitter);
  MESH_COPY(no_traffic_interval);
  MESH_COPY(no_traffic_healthy_interval);
  MESH_COPY(unhealthy_interval);
  MESH_COPY(unhealthy_edge_interval);
  MESH_COPY(healthy_edge_interval);
  MESH_COPY(reuse_connection);
#undef MESH_COPY
  // What callers expect: to know soon, also before the first request.
  if (!from.has_no_traffic_interval()) *to.mutable_no_traffic_interval() = from.interval();
  to.set_interval_jitter_percent(from.interval_jitter_percent());
  const auto threshold = [](uint32_t value, uint32_t otherwise) {
    return value ? value : otherwise;
  };
  to.mutable_unhealthy_threshold()->set_value(threshold(from.unhealthy_threshold(), 3));
  to.mutable_healthy_threshold()->set_value(threshold(from.healthy_threshold(), 1));
  if (from.port() != 0) to.mutable_alt_port()->set_value(from.port());
  to.set_event_log_path(from.event_log_path());
  to.set_always_log_health_check_failures(from.always_log_failures());
  set_checker(from, to);
}

}  // namespace

void set_health(const v1::ServicePolicy& policy, envoy::config::cluster::v3::Cluster& cluster) {
  for (const From& from : policy.health_checks()) set_check(from, *cluster.add_health_checks());
  if (!policy.has_outlier_return() || !cluster.has_outlier_detection()) return;
  const auto& from = policy.outlier_return();
  ::mesh::xds::v1::OutlierReturn to;
  to.mutable_probe_percent()->set_value(from.has_probe_percent() ? from.probe_percent().value()
                                                                 : 5);
  if (from.has_probe_time()) *to.mutable_probe_time() = from.probe_time();
  if (from.has_ramp()) *to.mutable_ramp() = from.ramp();
  pack(to, (*cluster.mutable_typed_extension_protocol_options())["mesh.xds.v1.OutlierReturn"]);
}

}  // namespace mesh::discovery

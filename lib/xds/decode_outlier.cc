#include "mesh/xds/v1/outlier_return.pb.h"
#include "xds/decode_common.h"
#include "xds/decode_health.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::cluster::v3;

void take(bool has, const google::protobuf::UInt32Value& value, uint32_t& into) {
  if (has) into = value.value();
}

struct Share {
  const char* name;
  bool has;
  const google::protobuf::UInt32Value& value;
  uint32_t& into;
};

// Percentages: Envoy's validation has at most 100 for all of them.
Result<void> take_shares(const pb::OutlierDetection& from, const std::string& path,
                         resilience::OutlierPolicy& to) {
#define MESH_SHARE(field) \
  { #field, from.has_##field(), from.field(), to.field }
  const Share shares[] = {
      MESH_SHARE(max_ejection_percent),
      MESH_SHARE(enforcing_consecutive_5xx),
      MESH_SHARE(enforcing_consecutive_gateway_failure),
      MESH_SHARE(enforcing_consecutive_local_origin_failure),
      MESH_SHARE(enforcing_success_rate),
      MESH_SHARE(enforcing_local_origin_success_rate),
      MESH_SHARE(failure_percentage_threshold),
      MESH_SHARE(enforcing_failure_percentage),
      MESH_SHARE(enforcing_failure_percentage_local_origin),
  };
#undef MESH_SHARE
  for (const Share& share : shares) {
    take(share.has, share.value, share.into);
    if (share.into > 100) return refuse(path_of(path, share.name), "is 0 to 100");
  }
  return {};
}

}  // namespace

Result<resilience::OutlierPolicy> decode_outlier(const pb::OutlierDetection& from,
                                                 const std::string& path) {
  resilience::OutlierPolicy to;
  MESH_TRY_VOID(take_shares(from, path, to));
  take(from.has_consecutive_5xx(), from.consecutive_5xx(), to.consecutive_5xx);
  take(from.has_consecutive_gateway_failure(), from.consecutive_gateway_failure(),
       to.consecutive_gateway_failure);
  to.split_external_local_origin_errors = from.split_external_local_origin_errors();
  take(from.has_consecutive_local_origin_failure(), from.consecutive_local_origin_failure(),
       to.consecutive_local_origin_failure);
  take(from.has_success_rate_minimum_hosts(), from.success_rate_minimum_hosts(),
       to.success_rate_minimum_hosts);
  take(from.has_success_rate_request_volume(), from.success_rate_request_volume(),
       to.success_rate_request_volume);
  take(from.has_success_rate_stdev_factor(), from.success_rate_stdev_factor(),
       to.success_rate_stdev_factor);
  take(from.has_failure_percentage_minimum_hosts(), from.failure_percentage_minimum_hosts(),
       to.failure_percentage_minimum_hosts);
  take(from.has_failure_percentage_request_volume(), from.failure_percentage_request_volume(),
       to.failure_percentage_request_volume);
  if (from.has_interval()) {
    MESH_TRY(to.interval, decode_duration(from.interval(), path_of(path, "interval")));
  }
  if (from.has_base_ejection_time()) {
    MESH_TRY(to.base_ejection_time,
             decode_duration(from.base_ejection_time(), path_of(path, "base_ejection_time")));
  }
  // Envoy: the greater of 300 s and base_ejection_time, where it is not set.
  to.max_ejection_time = std::max(to.max_ejection_time, to.base_ejection_time);
  if (from.has_max_ejection_time()) {
    MESH_TRY(to.max_ejection_time,
             decode_duration(from.max_ejection_time(), path_of(path, "max_ejection_time")));
  }
  if (from.has_max_ejection_time_jitter()) {
    MESH_TRY(to.max_ejection_time_jitter,
             decode_duration(from.max_ejection_time_jitter(),
                             path_of(path, "max_ejection_time_jitter")));
  }
  to.always_eject_one_host = from.always_eject_one_host().value();
  if (from.has_successful_active_health_check_uneject_host())
    to.successful_active_health_check_uneject_host =
        from.successful_active_health_check_uneject_host().value();
  if (to.interval <= Duration(0) || to.base_ejection_time <= Duration(0))
    return refuse(path, "interval and base_ejection_time are over 0");
  return to;
}

Result<void> decode_outlier_return(const pb::Cluster& cluster, const std::string& path,
                                   Cluster& into) {
  const auto& options = cluster.typed_extension_protocol_options();
  const auto found = options.find("mesh.xds.v1.OutlierReturn");
  if (found == options.end()) return {};
  const std::string at =
      path_of(path, "typed_extension_protocol_options") + "[mesh.xds.v1.OutlierReturn]";
  if (!into.outlier) return refuse(at, "needs outlier_detection");
  MESH_TRY(const auto from, unpack<::mesh::xds::v1::OutlierReturn>(found->second, at));
  resilience::GradualReturn& to = into.outlier->gradual_return;
  to.enabled = true;
  if (from.has_probe_percent()) to.probe_share = from.probe_percent().value() / 100;
  if (!(to.probe_share > 0 && to.probe_share <= 1))
    return refuse(path_of(at, "probe_percent"), "is over 0, at most 100");
  if (from.has_probe_time()) {
    MESH_TRY(to.probe_time, decode_duration(from.probe_time(), path_of(at, "probe_time")));
  }
  if (from.has_ramp()) {
    MESH_TRY(to.ramp, decode_duration(from.ramp(), path_of(at, "ramp")));
  }
  return {};
}

}  // namespace mesh::xds

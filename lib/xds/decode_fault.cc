#include <algorithm>

#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "resilience/policy.h"
#include "xds/decode_common.h"
#include "xds/decode_filter.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

using envoy::extensions::filters::http::fault::v3::HTTPFault;

constexpr std::string_view kType = "envoy.extensions.filters.http.fault.v3.HTTPFault";

Result<resilience::FaultPolicy> decode_policy(const HTTPFault& fault, std::string_view path) {
  resilience::FaultPolicy result;
  if (fault.has_delay()) {
    MESH_TRY(result.delay,
             decode_duration(fault.delay().fixed_delay(), path_of(path, "delay.fixed_delay")));
    result.delay_share = decode_fraction(fault.delay().percentage());
  }
  if (!fault.has_abort()) return result;
  result.abort_share = decode_fraction(fault.abort().percentage());
  if (fault.abort().has_grpc_status()) {
    if (fault.abort().grpc_status() > 16)
      return refuse(path_of(path, "abort.grpc_status"), "a gRPC status is 0 to 16");
    result.abort_grpc_status = uint8_t(fault.abort().grpc_status());
    return result;
  }
  const uint32_t status = fault.abort().http_status();
  if (status < 200 || status > 599)
    return refuse(path_of(path, "abort.http_status"), "a status is 200 to 599");
  result.abort_http_status = uint16_t(status);
  return result;
}

}  // namespace

Result<FilterConfigPtr> decode_fault(const google::protobuf::Any& any, std::string_view path,
                                     FilterLevel) {
  MESH_TRY(const auto fault, unpack<HTTPFault>(any, path));
  MESH_TRY(auto policy, decode_policy(fault, path));
  return route::make_filter_config(kType, std::move(policy));
}

}  // namespace mesh::xds

#include <algorithm>

#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "route/fault_rules.h"
#include "route/match.h"
#include "xds/decode_common.h"
#include "xds/decode_filter.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

using envoy::extensions::filters::http::fault::v3::HTTPFault;

constexpr std::string_view kType = "envoy.extensions.filters.http.fault.v3.HTTPFault";

Result<resilience::FaultPolicy> decode_policy(const HTTPFault& fault, std::string_view path) {
  resilience::FaultPolicy result;
  if (fault.has_delay()) {
    result.delay_by_header = fault.delay().has_header_delay();
    MESH_TRY(result.delay,
             decode_duration(fault.delay().fixed_delay(), path_of(path, "delay.fixed_delay")));
    result.delay_share = decode_fraction(fault.delay().percentage());
  }
  if (!fault.has_abort()) return result;
  result.abort_share = decode_fraction(fault.abort().percentage());
  result.abort_by_header = fault.abort().has_header_abort();
  if (result.abort_by_header) return result;
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
  route::FaultRules rules;
  MESH_TRY(rules.policy, decode_policy(fault, path));
  for (int i = 0; i < fault.headers_size(); ++i) {
    const std::string at = path_of(path, "headers", i);
    MESH_TRY(auto header, decode_header(fault.headers(i), at));
    if (auto compiled = route::compile(header); !compiled)
      return std::move(compiled).error().during(at);
    rules.headers.push_back(std::move(header));
  }
  rules.upstream_cluster = fault.upstream_cluster();
  if (fault.has_max_active_faults()) rules.max_active = fault.max_active_faults().value();
  return route::make_filter_config(kType, std::move(rules));
}

}  // namespace mesh::xds

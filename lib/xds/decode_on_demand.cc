#include "envoy/extensions/filters/http/on_demand/v3/on_demand.pb.h"
#include "route/on_demand.h"
#include "xds/decode_filter.h"
#include "xds/strict.h"

namespace mesh::xds {

Result<FilterConfigPtr> decode_on_demand(const google::protobuf::Any& any, std::string_view path,
                                         FilterLevel level) {
  if (level != FilterLevel::Chain) return refuse(path, "routes cannot have it");
  MESH_TRY_VOID(unpack<envoy::extensions::filters::http::on_demand::v3::OnDemand>(any, path));
  return route::make_filter_config(route::OnDemand::kType, route::OnDemand());
}

}  // namespace mesh::xds

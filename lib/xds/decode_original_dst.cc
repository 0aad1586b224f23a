// Clusters whose hosts are the destinations that their connections were going to, and
// where connections of a cluster come from.
#include "base/text.h"
#include "http/syntax.h"
#include "xds/decode_cluster.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::cluster::v3;

constexpr std::string_view kHeader = "x-envoy-original-dst-host";

}  // namespace

Result<void> decode_original_dst(const pb::Cluster& cluster, std::string_view path, Cluster& into) {
  OriginalDst& to = into.original_dst;
  if (cluster.lb_policy() != pb::Cluster::CLUSTER_PROVIDED)
    return refuse(path_of(path, "lb_policy"), "of type ORIGINAL_DST is CLUSTER_PROVIDED");
  if (cluster.has_load_assignment())
    return refuse(path_of(path, "load_assignment"), "is not for a cluster of type ORIGINAL_DST");
  if (cluster.has_lb_subset_config())
    return refuse(path_of(path, "lb_subset_config"), "is not for a cluster of type ORIGINAL_DST");
  if (cluster.health_checks_size() > 0)
    return refuse(path_of(path, "health_checks"), "are not for a cluster of type ORIGINAL_DST");
  if (cluster.has_outlier_detection())
    return refuse(path_of(path, "outlier_detection"),
                  "is not supported for a cluster of type ORIGINAL_DST");
  if (cluster.has_cleanup_interval()) {
    const std::string at = path_of(path, "cleanup_interval");
    MESH_TRY(to.cleanup_interval, decode_duration(cluster.cleanup_interval(), at));
    if (to.cleanup_interval < std::chrono::milliseconds(1)) return refuse(at, "is at least 1ms");
  }
  const auto& from = cluster.original_dst_lb_config();
  const std::string at = path_of(path, "original_dst_lb_config");
  if (from.use_http_header()) {
    to.header = from.http_header_name().empty() ? std::string(kHeader)
                                                : text::to_lower(from.http_header_name());
    if (!http::valid_token(to.header))
      return refuse(path_of(at, "http_header_name"), "is no name of a header");
  }
  if (from.has_upstream_port_override()) {
    const uint32_t port = from.upstream_port_override().value();
    if (port < 1 || port > 65535)
      return refuse(path_of(at, "upstream_port_override"), "is 1 to 65535");
    to.port = uint16_t(port);
  }
  return {};
}

Result<void> decode_bind(const pb::Cluster& cluster, std::string_view path, Cluster& into) {
  if (!cluster.has_upstream_bind_config()) return {};
  const auto& from = cluster.upstream_bind_config();
  const std::string at = path_of(path, "upstream_bind_config");
  if (!from.has_source_address()) return refuse(path_of(at, "source_address"), "is missing");
  envoy::config::core::v3::Address address;
  *address.mutable_socket_address() = from.source_address();
  MESH_TRY(into.source_address, decode_address(address, path_of(at, "source_address"), true));
  into.source_freebind = from.freebind().value();
  return {};
}

}  // namespace mesh::xds

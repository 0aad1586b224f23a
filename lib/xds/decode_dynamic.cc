#include "xds/decode_dynamic.h"

#include "base/text.h"
#include "xds/decode_common.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace core = envoy::config::core::v3;
using Resources = envoy::config::bootstrap::v3::Bootstrap::DynamicResources;

constexpr uint32_t kMessageBytesMost = 256U << 20;

}  // namespace

Result<void> check_server(const std::string& name, std::string_view path, const Config& config) {
  const auto found = config.clusters.find(name);
  if (found == config.clusters.end())
    return refuse(path, "no cluster \"" + name + "\" in static_resources");
  const Cluster& cluster = *found->second;
  if (cluster.discovery == Cluster::Discovery::Eds ||
      cluster.discovery == Cluster::Discovery::OriginalDst)
    return refuse(path,
                  "cluster \"" + name + "\" is not of type STATIC, STRICT_DNS or LOGICAL_DNS");
  if (cluster.protocol != UpstreamProtocol::Http2)
    return refuse(path, "cluster \"" + name +
                            "\" does not speak HTTP/2; set http2_protocol_options in its "
                            "typed_extension_protocol_options");
  return {};
}

namespace {

Result<void> decode_service(const core::GrpcService& service, const std::string& path,
                            DynamicSource& into) {
  const auto& grpc = service.envoy_grpc();
  const std::string at = path_of(path, "envoy_grpc");
  if (!service.has_envoy_grpc()) return refuse(at, "is missing");
  if (grpc.cluster_name().empty()) return refuse(path_of(at, "cluster_name"), "is empty");
  if (service.has_timeout())
    return refuse(path_of(path, "timeout"), "a stream of resources has none");
  into.cluster = grpc.cluster_name();
  into.authority = grpc.authority().empty() ? into.cluster : grpc.authority();
  if (grpc.has_max_receive_message_length()) {
    into.message_bytes_max = grpc.max_receive_message_length().value();
    if (into.message_bytes_max < 1024 || into.message_bytes_max > kMessageBytesMost)
      return refuse(path_of(at, "max_receive_message_length"), "is 1 KiB to 256 MiB");
  }
  for (int i = 0; i < service.initial_metadata_size(); ++i) {
    const auto& item = service.initial_metadata(i);
    const std::string here = path_of(path, "initial_metadata", i);
    const std::string key = text::to_lower(item.key());
    MESH_TRY_VOID(check_field(key, item.value(), here));
    if (key.starts_with("grpc-")) return refuse(path_of(here, "key"), "belongs to gRPC");
    into.metadata.emplace_back(key, item.value());
  }
  return {};
}

Result<void> decode_watch(bool has, const core::ConfigSource& source, const std::string& path,
                          bool with_ads, bool& wanted, Duration& timeout) {
  wanted = has;
  if (!has) return {};
  MESH_TRY_VOID(check_config_source(true, source, path, false));
  if (!with_ads) return refuse(path_of(path, "ads"), "needs ads_config");
  if (!source.has_initial_fetch_timeout()) return {};
  MESH_TRY(timeout,
           decode_duration(source.initial_fetch_timeout(), path_of(path, "initial_fetch_timeout")));
  return {};
}

}  // namespace

Result<DynamicSource> decode_server(const core::ApiConfigSource& api, std::string_view path) {
  DynamicSource source;
  switch (api.api_type()) {
    case core::ApiConfigSource::GRPC: break;
    case core::ApiConfigSource::DELTA_GRPC: source.incremental = true; break;
    default: return refuse(path_of(path, "api_type"), "only GRPC and DELTA_GRPC are supported");
  }
  if (api.transport_api_version() != core::V3)
    return refuse(path_of(path, "transport_api_version"), "only V3 is supported");
  if (api.grpc_services_size() != 1)
    return refuse(path_of(path, "grpc_services"), "is one entry exactly");
  source.node_on_first_message_only = api.set_node_on_first_message_only();
  MESH_TRY_VOID(decode_service(api.grpc_services(0), path_of(path, "grpc_services", 0), source));
  return source;
}

Result<DynamicSource> decode_dynamic(const Resources& resources, std::string_view path,
                                     const Config& config) {
  DynamicSource source;
  const bool ads = resources.has_ads_config();
  MESH_TRY_VOID(decode_watch(resources.has_cds_config(), resources.cds_config(),
                             path_of(path, "cds_config"), ads, source.clusters,
                             source.clusters_timeout));
  MESH_TRY_VOID(decode_watch(resources.has_lds_config(), resources.lds_config(),
                             path_of(path, "lds_config"), ads, source.listeners,
                             source.listeners_timeout));
  const std::string at = path_of(path, "ads_config");
  if (!ads) return refuse(at, "is missing");
  MESH_TRY(auto server, decode_server(resources.ads_config(), at));
  MESH_TRY_VOID(check_server(
      server.cluster, path_of(path_of(at, "grpc_services", 0), "envoy_grpc.cluster_name"), config));
  server.clusters = source.clusters;
  server.listeners = source.listeners;
  server.clusters_timeout = source.clusters_timeout;
  server.listeners_timeout = source.listeners_timeout;
  return server;
}

}  // namespace mesh::xds

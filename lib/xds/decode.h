// Decodes xDS v3 resources into values.
//
// A resource is input: what it sets and the data plane lacks is refused by the
// path of the field ("filter_chains[0].filters[0].typed_config.upgrade_configs
// is not supported"), and so are field numbers that nobody here knows, at any
// depth and inside of Any. Nothing is accepted and ignored, so a NACK always
// says what to change. Source: Envoy's api/envoy/** of v3, whose names and
// defaults hold where a value is not set.
//
// All functions are pure, any thread. Errors: Errc::Invalid with the path,
// Errc::TooBig over a limit below.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "resilience/overload.h"
#include "xds/dynamic_source.h"
#include "xds/values.h"

namespace google::protobuf {
class Message;
}

namespace mesh::xds {

inline constexpr std::string_view kListenerType =
    "type.googleapis.com/envoy.config.listener.v3.Listener";
inline constexpr std::string_view kRouteType =
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
inline constexpr std::string_view kClusterType =
    "type.googleapis.com/envoy.config.cluster.v3.Cluster";
inline constexpr std::string_view kEndpointType =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
inline constexpr std::string_view kSecretType =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

inline constexpr size_t kResourceBytesMax = 32 << 20;     // of one resource, serialized
inline constexpr size_t kEndpointsMax = 10'000;           // of one assignment
inline constexpr size_t kRoutesMax = 200'000;             // of one route configuration, all hosts
inline constexpr size_t kFilterChainsMax = 100;           // of one listener
inline constexpr size_t kBootstrapResourcesMax = 10'000;  // listeners and clusters of a file

// `bytes` is the serialized message itself, not an Any around it.
Result<std::shared_ptr<const Listener>> decode_listener(std::string_view bytes);
Result<std::shared_ptr<const route::Table>> decode_route_configuration(std::string_view bytes);
Result<std::shared_ptr<const Cluster>> decode_cluster(std::string_view bytes);
Result<std::shared_ptr<const ClusterLoadAssignment>> decode_endpoints(std::string_view bytes);
Result<std::shared_ptr<const Secret>> decode_secret(std::string_view bytes);

// What a data plane outside of the mesh starts from.
struct Bootstrap {
  std::string node_id;
  std::string node_cluster;
  std::string admin;                     // ADDRESS:PORT or a path; empty: none
  Config config;                         // static resources; generation is empty
  std::optional<DynamicSource> dynamic;  // whom to ask for more
  std::string node;                      // serialized envoy.config.core.v3.Node
  resilience::OverloadPolicy overload;
  std::string source;  // serialized, for dump()
};

// `bootstrap` is an envoy.config.bootstrap.v3.Bootstrap, as lib/config's reader
// fills it from YAML. Certificates may be files here: they become
// Config::secrets (those in place under names of their own), are not opened,
// and every cluster, listener and secret name is unique. With `dynamic` set, resources may
// name clusters that are still to come; else what one names must be there.
Result<Bootstrap> decode_bootstrap(const google::protobuf::Message& bootstrap);

// Errc::Invalid: it names a secret that is not among those of `config`, and that no server
// brings: with `ads` the aggregated stream does, and a server must be a cluster of `config`.
Result<void> check_secrets(const Listener& listener, const Config& config, bool ads);
Result<void> check_secrets(const Cluster& cluster, const Config& config, bool ads);

// Whether its listeners or clusters name secrets that a server has.
bool asks_for_secrets(const Config& config);

// Errc::Invalid: it asks a server for a secret. A forwarder of the mesh has its own alone.
Result<void> check_mesh_secrets(const Listener& listener);
Result<void> check_mesh_secrets(const Cluster& cluster);

// Reads the YAML or JSON file and decodes it. Errors carry the file, and
// line:column where the shape is wrong.
Result<Bootstrap> read_bootstrap(const std::string& path);

}  // namespace mesh::xds

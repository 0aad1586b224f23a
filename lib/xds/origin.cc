#include "xds/origin.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/text.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "xds/decode.h"

namespace mesh::xds {
namespace {

Origins origins_in(const envoy::config::core::v3::Metadata& metadata) {
  Origins origins;
  const auto mesh = metadata.filter_metadata().find("mesh");
  if (mesh == metadata.filter_metadata().end()) return origins;
  for (const auto& [key, value] : mesh->second.fields())
    if (!value.string_value().empty()) origins[key] = value.string_value();
  return origins;
}

template <class Message>
Origins origins_in(std::string_view body) {
  Message message;
  if (!message.ParseFromArray(body.data(), int(body.size()))) return {};
  return origins_in(message.metadata());
}

// The N of "NAME[N]" in `text`, which is cut behind it.
std::optional<size_t> take_index(std::string_view& text, std::string_view name) {
  const size_t at = text.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + name.size());
  const size_t end = text.find(']');
  if (end == std::string_view::npos) return std::nullopt;
  const auto number = text::parse_uint(text.substr(0, end), kRoutesMax);
  text.remove_prefix(end);
  return number ? std::optional(size_t(*number)) : std::nullopt;
}

// "(KIND/NAMESPACE/NAME ...)", as a route's table names it.
std::string quoted_origin(std::string_view error) {
  for (size_t at = error.find('('); at != std::string_view::npos; at = error.find('(', at + 1)) {
    const std::string_view inside = error.substr(at + 1, error.find(')', at) - at - 1);
    if (!inside.empty() && std::isupper(static_cast<unsigned char>(inside[0])) != 0 &&
        std::count(inside.begin(), inside.end(), '/') == 2)
      return std::string(inside);
  }
  return {};
}

std::string find(const Origins& origins, const char* key) {
  const auto found = origins.find(key);
  return found == origins.end() ? std::string() : found->second;
}

}  // namespace

Origins origins_of(std::string_view type_url, std::string_view body) {
  if (type_url == kClusterType) return origins_in<envoy::config::cluster::v3::Cluster>(body);
  if (type_url == kListenerType) return origins_in<envoy::config::listener::v3::Listener>(body);
  return {};
}

std::vector<std::vector<Origins>> route_origins(std::string_view body) {
  envoy::config::route::v3::RouteConfiguration config;
  std::vector<std::vector<Origins>> all;
  if (!config.ParseFromArray(body.data(), int(body.size()))) return all;
  for (const auto& host : config.virtual_hosts()) {
    auto& routes = all.emplace_back();
    for (const auto& route : host.routes()) routes.push_back(origins_in(route.metadata()));
  }
  return all;
}

std::string refused_origin(std::string_view type_url, std::string_view body,
                           std::string_view error) {
  if (type_url != kRouteType) {
    const Origins origins = origins_of(type_url, body);
    const std::string config = find(origins, "config");
    return config.empty() ? find(origins, "service") : config;
  }
  if (std::string quoted = quoted_origin(error); !quoted.empty()) return quoted;
  const auto host = take_index(error, "virtual_hosts[");
  const auto route = host ? take_index(error, ".routes[") : std::nullopt;
  if (!route) return {};
  const auto all = route_origins(body);
  return *host < all.size() && *route < all[*host].size() ? find(all[*host][*route], "config")
                                                          : std::string();
}

}  // namespace mesh::xds

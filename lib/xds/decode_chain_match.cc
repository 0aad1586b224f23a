#include "base/text.h"
#include "xds/decode_listener.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::listener::v3;

constexpr int kNamesMax = 1000;  // of one chain: server names, protocols, ports, ranges

// "a.example" or "*.example"; nothing else has a wildcard (Envoy).
Result<std::string> decode_server_name(const std::string& name, const std::string& path) {
  const std::string_view rest = std::string_view(name).substr(name.starts_with("*.") ? 2 : 0);
  if (rest.empty() || rest.find('*') != std::string_view::npos || rest.size() > 253)
    return refuse(path, "expected a name or *.name, got " + text::quoted(name));
  return text::to_lower(name);
}

}  // namespace

Result<FilterChainMatch> decode_chain_match(const pb::FilterChainMatch& match,
                                            const std::string& path) {
  FilterChainMatch result;
  if (match.server_names_size() + match.application_protocols_size() + match.source_ports_size() +
          match.prefix_ranges_size() + match.source_prefix_ranges_size() +
          match.direct_source_prefix_ranges_size() >
      kNamesMax)
    return refuse(path, "over 1000 names, ports and ranges");
  if (match.has_destination_port()) {
    const uint32_t port = match.destination_port().value();
    if (port < 1 || port > 65535) return refuse(path_of(path, "destination_port"), "is 1 to 65535");
    result.destination_port = uint16_t(port);
  }
  MESH_TRY(result.prefix_ranges,
           decode_ranges(match.prefix_ranges(), path_of(path, "prefix_ranges")));
  for (int i = 0; i < match.server_names_size(); ++i) {
    MESH_TRY(auto name,
             decode_server_name(match.server_names(i), path_of(path, "server_names", i)));
    result.server_names.push_back(std::move(name));
  }
  result.transport_protocol = match.transport_protocol();
  const auto& wanted = result.transport_protocol;
  if (!wanted.empty() && wanted != "tls" && wanted != "raw_buffer")
    return refuse(path_of(path, "transport_protocol"), "is tls, raw_buffer or empty");
  result.application_protocols.assign(match.application_protocols().begin(),
                                      match.application_protocols().end());
  MESH_TRY(result.direct_source_prefix_ranges,
           decode_ranges(match.direct_source_prefix_ranges(),
                         path_of(path, "direct_source_prefix_ranges")));
  switch (match.source_type()) {
    case pb::FilterChainMatch::SAME_IP_OR_LOOPBACK:
      result.source = FilterChainMatch::Source::SameIpOrLoopback;
      break;
    case pb::FilterChainMatch::EXTERNAL: result.source = FilterChainMatch::Source::External; break;
    default: break;
  }
  MESH_TRY(result.source_prefix_ranges,
           decode_ranges(match.source_prefix_ranges(), path_of(path, "source_prefix_ranges")));
  for (int i = 0; i < match.source_ports_size(); ++i) {
    const uint32_t port = match.source_ports(i);
    if (port < 1 || port > 65535) return refuse(path_of(path, "source_ports", i), "is 1 to 65535");
    result.source_ports.push_back(uint16_t(port));
  }
  return result;
}

}  // namespace mesh::xds

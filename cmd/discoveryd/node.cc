#include "cmd/discoveryd/node.h"

#include "base/text.h"
#include "xds/node.h"

namespace mesh::discoveryd {
namespace {

namespace key = xds::node;

constexpr size_t kTextMax = 1024;

std::string get(const bus::Node& node, std::string_view name) {
  const auto found = node.metadata.find(std::string(name));
  return found == node.metadata.end() ? std::string() : found->second;
}

Result<discovery::Node::Capture> capture_of(const bus::Node& words, std::string_view address,
                                            std::string_view mode) {
  discovery::Node::Capture capture;
  capture.address = get(words, address);
  MESH_TRY_VOID(key::check_capture(address, capture.address));
  MESH_TRY(capture.tproxy, key::parse_capture_mode(mode, get(words, mode)));
  return capture;
}

}  // namespace

Result<discovery::Node> node_of(const bus::Node& words) {
  discovery::Node node;
  if (words.id.empty() || words.id.size() > kTextMax)
    return Error{Errc::Invalid, "the node's id has 1 to 1024 bytes"};
  MESH_TRY_VOID(key::check_labels("labels", words.labels));
  if (words.workload.size() > kTextMax)
    return Error{Errc::Invalid, "a workload's name over 1024 bytes"};
  node.id = words.id;
  if (!words.workload_namespace.empty()) node.ns = words.workload_namespace;
  node.workload = words.workload;
  if (const auto account = get(words, key::kServiceAccount); !account.empty())
    node.service_account = account;
  node.labels = words.labels;
  node.outbound = get(words, key::kOutbound);
  MESH_TRY_VOID(key::check_outbound(key::kOutbound, node.outbound));
  MESH_TRY(node.outbound_mode, key::parse_mode(key::kOutboundMode, get(words, key::kOutboundMode)));
  node.access_log = get(words, key::kAccessLog);
  node.locality = get(words, key::kLocality);
  node.outbound_tcp = get(words, key::kOutboundTcp);
  MESH_TRY_VOID(key::check_ipv4(key::kOutboundTcp, node.outbound_tcp));
  MESH_TRY(node.capture_outbound,
           capture_of(words, key::kCaptureOutbound, key::kCaptureOutboundMode));
  MESH_TRY(node.capture_inbound, capture_of(words, key::kCaptureInbound, key::kCaptureInboundMode));
  if (const auto directory = get(words, key::kCredentials); !directory.empty())
    node.credentials = directory;
  if (!node.credentials.starts_with('/'))
    return Error{Errc::Invalid, "credentials: expected the path of a directory, from /"};
  node.proxy_protocol_peers = get(words, key::kProxyProtocolPeers);
  if (!node.proxy_protocol_peers.empty())
    for (const auto peer : text::split(node.proxy_protocol_peers, ','))
      MESH_TRY_VOID(key::check_peer_range(key::kProxyProtocolPeers, peer));
  return node;
}

std::optional<discovery::Workload> self_of(const discovery::Node& node, const bus::Node& words) {
  const std::string address = get(words, key::kAddress);
  if (node.workload.empty() || address.empty()) return std::nullopt;
  discovery::Workload self{.ns = node.ns,
                           .name = node.workload,
                           .address = address,
                           .ports = {},
                           .labels = node.labels,
                           .locality = get(words, key::kLocality),
                           .service_account = node.service_account,
                           .source = discovery::Workload::Source::Forwarder};
  const std::string ports = get(words, key::kPorts);
  for (const auto piece : text::split(ports, ',')) {
    const size_t equals = piece.find('=');
    if (equals == std::string_view::npos) continue;
    if (const auto port = text::parse_uint(piece.substr(equals + 1), 65535))
      self.ports.set(std::string(text::trim(piece.substr(0, equals))), uint32_t(*port));
  }
  return self;
}

bool on_demand(const bus::Node& words) { return get(words, key::kOnDemand) == "true"; }

std::string group_of(const bus::Node& words) { return get(words, key::kWorkloadGroup); }

void complete(const discovery::Object<discovery::istio::WorkloadGroup>& group,
              const bus::Node& words, discovery::Node& node,
              std::optional<discovery::Workload>& self) {
  if (!self) return;
  if (get(words, key::kServiceAccount).empty()) self->service_account.clear();
  self = instance_of_group(group, *std::move(self));
  node.labels = self->labels;
  if (!self->service_account.empty()) node.service_account = self->service_account;
  if (node.locality.empty()) node.locality = self->locality;
}

bool draining(const bus::Node& words) { return get(words, key::kDraining) == "true"; }

}  // namespace mesh::discoveryd

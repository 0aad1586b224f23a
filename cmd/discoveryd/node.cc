#include "cmd/discoveryd/node.h"

#include <algorithm>

#include "base/text.h"
#include "xds/node.h"

namespace mesh::discoveryd {
namespace {

namespace key = xds::node;

constexpr size_t kTextMax = 1024;
constexpr size_t kLabelsMax = 64;

std::string get(const bus::Node& node, std::string_view name) {
  const auto found = node.metadata.find(std::string(name));
  return found == node.metadata.end() ? std::string() : found->second;
}

Result<uint32_t> parse_mode(const std::string& text) {
  uint32_t mode = 0;
  for (const char c : text) {
    if (c < '0' || c > '7' || mode > 077)
      return Error{Errc::Invalid, "outbound_mode: expected octal up to 0777, got \"" + text + "\""};
    mode = mode * 8 + uint32_t(c - '0');
  }
  return mode;
}

bool is_ipv4(const std::string& text) {
  const auto parts = text::split(text, '.');
  return parts.size() == 4 && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
           return part.size() <= 3 && bool(text::parse_uint(part, 255));
         });
}

// IP addresses or CIDRs with commas.
Result<void> check_ranges(const std::string& text) {
  if (text.empty()) return {};
  for (const auto range : text::split(text, ',')) {
    const size_t slash = range.find('/');
    const std::string address(range.substr(0, slash));
    const bool v6 = address.find(':') != std::string::npos;
    const bool bits =
        slash == std::string_view::npos || text::parse_uint(range.substr(slash + 1), v6 ? 128 : 32);
    if ((!v6 && !is_ipv4(address)) || !bits)
      return Error{Errc::Invalid, "proxy_protocol_peers: expected IP addresses or CIDRs, got \"" +
                                      std::string(range) + "\""};
  }
  return {};
}

// ADDRESS:PORT or a path; what Envoy would refuse later is refused here.
Result<void> check_outbound(const std::string& text) {
  if (text.empty() || text.starts_with('/') || text.starts_with('@')) return {};
  const size_t colon = text.rfind(':');
  if (colon != std::string::npos && text::parse_uint(text.substr(colon + 1), 65535)) return {};
  return Error{Errc::Invalid, "outbound: expected ADDRESS:PORT or a path, got \"" + text + "\""};
}

// ADDRESS:PORT of IPv4, or [ADDRESS]:PORT, and "tproxy", "redirect" or nothing.
Result<discovery::Node::Capture> capture_of(const std::string& address, const std::string& mode,
                                            std::string_view name) {
  discovery::Node::Capture capture{.address = address, .tproxy = mode == "tproxy"};
  if (!mode.empty() && mode != "redirect" && mode != "tproxy")
    return Error{Errc::Invalid,
                 std::string(name) + "_mode: expected redirect or tproxy, got \"" + mode + "\""};
  if (address.empty()) return capture;
  const size_t colon = address.rfind(':');
  const std::string host = address.substr(0, colon);
  const bool v6 = host.starts_with('[') && host.ends_with(']');
  const auto port =
      text::parse_uint(colon == std::string::npos ? "" : address.substr(colon + 1), 65535);
  if (!port || *port == 0 || (!v6 && !is_ipv4(host)))
    return Error{Errc::Invalid,
                 std::string(name) + ": expected ADDRESS:PORT, got \"" + address + "\""};
  return capture;
}

}  // namespace

Result<discovery::Node> node_of(const bus::Node& words) {
  discovery::Node node;
  if (words.id.empty() || words.id.size() > kTextMax)
    return Error{Errc::Invalid, "the node's id has 1 to 1024 bytes"};
  if (words.labels.size() > kLabelsMax || words.workload.size() > kTextMax)
    return Error{Errc::Invalid, "over 64 labels, or a workload's name over 1024 bytes"};
  node.id = words.id;
  if (!words.workload_namespace.empty()) node.ns = words.workload_namespace;
  node.workload = words.workload;
  if (const auto account = get(words, key::kServiceAccount); !account.empty())
    node.service_account = account;
  node.labels = words.labels;
  node.outbound = get(words, key::kOutbound);
  MESH_TRY_VOID(check_outbound(node.outbound));
  MESH_TRY(node.outbound_mode, parse_mode(get(words, key::kOutboundMode)));
  node.access_log = get(words, key::kAccessLog);
  node.locality = get(words, key::kLocality);
  node.outbound_tcp = get(words, key::kOutboundTcp);
  if (!node.outbound_tcp.empty() && !is_ipv4(node.outbound_tcp))
    return Error{Errc::Invalid,
                 "outbound_tcp: expected an IPv4 address, got \"" + node.outbound_tcp + "\""};
  MESH_TRY(node.capture_outbound,
           capture_of(get(words, key::kCaptureOutbound), get(words, key::kCaptureOutboundMode),
                      key::kCaptureOutbound));
  MESH_TRY(node.capture_inbound,
           capture_of(get(words, key::kCaptureInbound), get(words, key::kCaptureInboundMode),
                      key::kCaptureInbound));
  if (const auto directory = get(words, key::kCredentials); !directory.empty())
    node.credentials = directory;
  if (!node.credentials.starts_with('/'))
    return Error{Errc::Invalid, "credentials: expected the path of a directory, from /"};
  node.proxy_protocol_peers = get(words, key::kProxyProtocolPeers);
  MESH_TRY_VOID(check_ranges(node.proxy_protocol_peers));
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

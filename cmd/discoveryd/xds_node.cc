#include "cmd/discoveryd/xds_node.h"

#include <array>

#include "base/text.h"
#include "cmd/discoveryd/xds_proxyless.h"
#include "identity/spiffe_id.h"
#include "xds/node.h"

namespace mesh::discoveryd {
namespace {

namespace key = xds::node;

constexpr size_t kValueMax = 4096;
constexpr const char* kNowhere = "127.0.0.1:15001";  // bound by nobody

// What may be said of a client that is no forwarder.
constexpr std::array kTaken{key::kServiceAccount,
                            key::kOutbound,
                            key::kOutboundMode,
                            key::kOutboundTcp,
                            key::kProxyProtocolPeers,
                            key::kCaptureOutbound,
                            key::kCaptureOutboundMode,
                            key::kCaptureInbound,
                            key::kCaptureInboundMode,
                            key::kAccessLog,
                            key::kCredentials,
                            key::kAddress,
                            key::kPorts,
                            key::kLocality,
                            key::kWorkloadGroup,
                            key::kDraining};

using Fields = google::protobuf::Map<std::string, google::protobuf::Value>;

Result<std::string> text_at(const Fields& fields, std::string_view name) {
  const auto found = fields.find(std::string(name));
  if (found == fields.end()) return std::string();
  const auto& value = found->second;
  if (value.kind_case() != google::protobuf::Value::kStringValue ||
      value.string_value().size() > kValueMax)
    return Error{Errc::Invalid,
                 "node.metadata." + std::string(name) + ": expected a text of at most 4096 bytes"};
  return value.string_value();
}

Result<void> take_labels(const Fields& fields, bus::Node& words) {
  const auto found = fields.find("labels");
  if (found == fields.end()) return {};
  if (found->second.kind_case() != google::protobuf::Value::kStructValue)
    return Error{Errc::Invalid, "node.metadata.labels: expected an object of texts"};
  for (const auto& [name, value] : found->second.struct_value().fields()) {
    if (value.kind_case() != google::protobuf::Value::kStringValue || name.size() > kValueMax ||
        value.string_value().size() > kValueMax)
      return Error{Errc::Invalid, "node.metadata.labels: expected an object of texts"};
    words.labels[name] = value.string_value();
  }
  return {};
}

std::string locality_of(const envoy::config::core::v3::Locality& locality) {
  std::string text = locality.region();
  if (!locality.zone().empty()) text += "/" + locality.zone();
  if (!locality.sub_zone().empty()) text += "/" + locality.sub_zone();
  return text;
}

}  // namespace

Result<XdsNode> xds_node_of(const envoy::config::core::v3::Node& node) {
  XdsNode out;
  if (node.id().empty() || node.id().size() > 1024)
    return Error{Errc::Invalid, "node.id: expected 1 to 1024 bytes"};
  const Fields& fields = node.metadata().fields();
  out.words.id = node.id();
  MESH_TRY(out.words.workload_namespace, text_at(fields, "namespace"));
  MESH_TRY(out.words.workload, text_at(fields, "workload"));
  MESH_TRY(out.certificates, text_at(fields, "certificates"));
  if (!out.certificates.empty() && out.certificates[0] != '/')
    return Error{Errc::Invalid, "node.metadata.certificates: expected an absolute path"};
  MESH_TRY(out.sds, text_at(fields, "sds"));
  if (!out.sds.empty() && !out.certificates.empty())
    return Error{Errc::Invalid, "node.metadata.sds: not beside certificates"};
  for (const auto name : kTaken) {
    MESH_TRY(std::string value, text_at(fields, name));
    if (!value.empty()) out.words.metadata[std::string(name)] = std::move(value);
  }
  MESH_TRY_VOID(take_labels(fields, out.words));
  out.proxyless = is_proxyless(node);
  if (std::string& outbound = out.words.metadata[std::string(key::kOutbound)];
      out.proxyless && outbound.empty())
    outbound = kNowhere;
  std::string& locality = out.words.metadata[std::string(key::kLocality)];
  if (locality.empty()) locality = locality_of(node.locality());
  out.words.metadata[std::string(key::kClient)] =
      node.user_agent_name().empty() || node.user_agent_name().size() > 64 ? "xds"
                                                                           : node.user_agent_name();
  return out;
}

Result<void> bind_to_peer(const grpc::Peer& peer, std::string_view trust_domain, bus::Node& words) {
  if (!peer.secure) return {};
  MESH_TRY(const auto id, identity::SpiffeId::parse(peer.identity));
  const auto workload = id.workload();
  if (id.trust_domain() != trust_domain || !workload)
    return Error{Errc::Refused, text::quoted(peer.identity) + " is no workload of this mesh"};
  const auto bind = [&](std::string& said, std::string_view is, std::string_view what) {
    if (said.empty()) said = is;
    if (said == is) return Result<void>();
    return Result<void>(Error{Errc::Refused, "the node's " + std::string(what) + " is " +
                                                 text::quoted(said) + ", its certificate's is " +
                                                 text::quoted(is)});
  };
  MESH_TRY_VOID(bind(words.workload_namespace, workload->ns, "namespace"));
  return bind(words.metadata[std::string(key::kServiceAccount)], workload->service_account,
              "service account");
}

}  // namespace mesh::discoveryd

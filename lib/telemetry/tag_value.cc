#include "telemetry/tag_value.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace mesh::telemetry {
namespace {

using Kind = TagValue::Kind;

struct Attribute {
  std::string_view name;
  Kind kind;
  Label label = Label::Reporter;
  std::string_view header = {};
};

constexpr Attribute kAttributes[] = {
    {"request.method", Kind::Method},
    {"request.host", Kind::Host},
    {"request.scheme", Kind::Scheme},
    {"request.protocol", Kind::Protocol},
    {"request.url_path", Kind::UrlPath},
    {"request.useragent", Kind::Header, {}, "user-agent"},
    {"response.code", Kind::Label, Label::ResponseCode},
    {"response.grpc_status", Kind::Label, Label::GrpcResponseStatus},
    {"connection.mtls", Kind::MutualTls},
    {"destination.port", Kind::DestinationPort},
    {"xds.cluster_name", Kind::ClusterName},
    {"xds.route_name", Kind::RouteName},
    {"downstream_peer.workload", Kind::Label, Label::SourceWorkload},
    {"downstream_peer.namespace", Kind::Label, Label::SourceWorkloadNamespace},
    {"downstream_peer.app", Kind::Label, Label::SourceApp},
    {"downstream_peer.version", Kind::Label, Label::SourceVersion},
    {"downstream_peer.cluster", Kind::Label, Label::SourceCluster},
    {"downstream_peer.service", Kind::Label, Label::SourceCanonicalService},
    {"downstream_peer.revision", Kind::Label, Label::SourceCanonicalRevision},
    {"downstream_peer.principal", Kind::Label, Label::SourcePrincipal},
    {"upstream_peer.workload", Kind::Label, Label::DestinationWorkload},
    {"upstream_peer.namespace", Kind::Label, Label::DestinationWorkloadNamespace},
    {"upstream_peer.app", Kind::Label, Label::DestinationApp},
    {"upstream_peer.version", Kind::Label, Label::DestinationVersion},
    {"upstream_peer.cluster", Kind::Label, Label::DestinationCluster},
    {"upstream_peer.service", Kind::Label, Label::DestinationCanonicalService},
    {"upstream_peer.revision", Kind::Label, Label::DestinationCanonicalRevision},
    {"upstream_peer.principal", Kind::Label, Label::DestinationPrincipal},
};

// All of it in quotes of one kind, without any inside and without escapes.
std::optional<std::string_view> literal(std::string_view text) {
  if (text.size() < 2 || (text[0] != '\'' && text[0] != '"') || text.back() != text[0])
    return std::nullopt;
  const std::string_view inner = text.substr(1, text.size() - 2);
  const auto bad = [&](char c) { return c == text[0] || c == '\\' || c < ' ' || c > '~'; };
  if (std::any_of(inner.begin(), inner.end(), bad)) return std::nullopt;
  return inner;
}

bool is_token(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

Error unknown(std::string_view text) {
  return {Errc::Invalid,
          "expected 'TEXT' or an attribute such as request.method, request.host, "
          "request.headers['NAME'], response.code, destination.port, upstream_peer.workload, not " +
              text::quoted(text)};
}

}  // namespace

std::string TagValue::key() const {
  if (kind == Kind::Header) return "request.headers['" + text + "']";
  for (const Attribute& attribute : kAttributes)
    if (attribute.kind == kind && attribute.label == label) return std::string(attribute.name);
  return "'" + text + "'";
}

Result<TagValue> parse_tag_value(std::string_view expression) {
  std::string_view text = text::trim(expression);
  if (text.starts_with("string(") && text.ends_with(")"))
    text = text::trim(text.substr(7, text.size() - 8));
  if (const auto inner = literal(text)) return TagValue{Kind::Text, {}, std::string(*inner)};
  for (const Attribute& attribute : kAttributes)
    if (attribute.name == text)
      return TagValue{attribute.kind, attribute.label, std::string(attribute.header)};
  constexpr std::string_view kHeaders = "request.headers[";
  if (!text.starts_with(kHeaders) || !text.ends_with("]")) return unknown(text);
  const auto name = literal(text.substr(kHeaders.size(), text.size() - kHeaders.size() - 1));
  if (!name || !is_token(*name)) return unknown(text);
  return TagValue{Kind::Header, {}, text::to_lower(*name)};
}

}  // namespace mesh::telemetry

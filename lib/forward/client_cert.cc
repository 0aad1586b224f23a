#include "forward/client_cert.h"

namespace mesh::forward {
namespace {

constexpr std::string_view kName = "x-forwarded-client-cert";

void append(std::string_view key, std::string_view value, std::string& into) {
  if (!into.empty()) into += ';';
  into.append(key).append("=").append(value);
}

// A subject is any text: what would end the quotes is escaped.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c >= ' ' && c != 0x7f) result += c;
  }
  return result + '"';
}

}  // namespace

std::string client_cert_element(const identity::Certificate& peer,
                                const std::optional<identity::Certificate>& own,
                                const xds::Edge& edge) {
  std::string result;
  if (own)
    for (const std::string& uri : own->uri_sans()) append("By", uri, result);
  append("Hash", peer.fingerprint(), result);
  if (edge.cert_subject) append("Subject", quoted(peer.subject()), result);
  if (edge.cert_uri) {
    if (peer.uri_sans().empty()) append("URI", "", result);
    for (const std::string& uri : peer.uri_sans()) append("URI", uri, result);
  }
  if (edge.cert_dns)
    for (const std::string& dns : peer.dns_sans()) append("DNS", dns, result);
  return result;
}

void apply_client_cert(http::Fields& fields, xds::Edge::ClientCert mode, std::string_view element,
                       Scratch& scratch) {
  using Mode = xds::Edge::ClientCert;
  if (mode == Mode::AlwaysForwardOnly) return;
  if (mode == Mode::Sanitize || element.empty()) {
    fields.remove(kName);
    return;
  }
  if (mode == Mode::ForwardOnly) return;
  std::string_view value = element;
  std::string joined;
  if (mode == Mode::AppendForward) {
    for (const http::Field& f : fields)
      if (f.name == kName) joined.append(joined.empty() ? "" : ",").append(f.value);
    if (!joined.empty()) value = scratch.keep(joined.append(",").append(element));
  }
  fields.set(kName, value);
}

}  // namespace mesh::forward

#include "identity/spiffe_id.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::identity {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr size_t kUriBytesMax = 2048;
constexpr size_t kTrustDomainBytesMax = 255;

bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool mark(char c) { return c == '.' || c == '-' || c == '_'; }

bool trust_domain_char(char c) { return lower_or_digit(c) || mark(c); }
bool segment_char(char c) { return lower_or_digit(c) || (c >= 'A' && c <= 'Z') || mark(c); }

Error wrong(std::string_view uri, std::string_view why) {
  return Error{Errc::Invalid, "SPIFFE ID " + text::quoted(uri) + ": " + std::string(why)};
}

bool valid_segment(std::string_view segment) {
  return !segment.empty() && segment != "." && segment != ".." &&
         std::all_of(segment.begin(), segment.end(), segment_char);
}

}  // namespace

Result<SpiffeId> SpiffeId::parse(std::string_view uri) {
  if (uri.size() > kUriBytesMax) return wrong(uri, "over 2048 bytes");
  if (!uri.starts_with(kScheme)) return wrong(uri, "must begin with spiffe://");
  const std::string_view rest = uri.substr(kScheme.size());
  const std::string_view domain = rest.substr(0, rest.find('/'));
  if (domain.empty()) return wrong(uri, "no trust domain");
  if (domain.size() > kTrustDomainBytesMax) return wrong(uri, "trust domain over 255 bytes");
  if (!std::all_of(domain.begin(), domain.end(), trust_domain_char))
    return wrong(uri, "a trust domain is of a-z, 0-9, '.', '-' and '_'");

  std::string_view path = rest.substr(domain.size());
  while (!path.empty()) {
    path.remove_prefix(1);  // its slash
    const std::string_view segment = path.substr(0, path.find('/'));
    if (!valid_segment(segment))
      return wrong(
          uri,
          "a path segment is of A-Z, a-z, 0-9, '.', '-' and '_', and never \"\", \".\" or \"..\"");
    path.remove_prefix(segment.size());
  }
  return SpiffeId(std::string(uri), kScheme.size() + domain.size());
}

Result<SpiffeId> SpiffeId::for_workload(std::string_view trust_domain, std::string_view ns,
                                        std::string_view service_account) {
  // A slash would make two segments of one: the parser alone cannot see it.
  if (!valid_segment(ns))
    return Error{Errc::Invalid, "namespace " + text::quoted(ns) + " cannot stand in a SPIFFE ID"};
  if (!valid_segment(service_account))
    return Error{Errc::Invalid, "service account " + text::quoted(service_account) +
                                    " cannot stand in a SPIFFE ID"};
  MESH_TRY(const SpiffeId domain, for_trust_domain(trust_domain));
  return parse(domain.uri() + "/ns/" + std::string(ns) + "/sa/" + std::string(service_account));
}

Result<SpiffeId> SpiffeId::for_trust_domain(std::string_view trust_domain) {
  if (trust_domain.find('/') != std::string_view::npos)
    return Error{Errc::Invalid, "trust domain " + text::quoted(trust_domain) + ": has a slash"};
  return parse(std::string(kScheme) + std::string(trust_domain));
}

std::string_view SpiffeId::trust_domain() const {
  return std::string_view(uri_).substr(kScheme.size(), path_at_ - kScheme.size());
}

std::string_view SpiffeId::path() const { return std::string_view(uri_).substr(path_at_); }

std::string_view SpiffeId::principal() const {
  return std::string_view(uri_).substr(kScheme.size());
}

std::optional<SpiffeId::Workload> SpiffeId::workload() const {
  const auto parts = text::split(path(), '/');
  if (parts.size() != 5 || parts[1] != "ns" || parts[3] != "sa") return std::nullopt;
  return Workload{parts[2], parts[4]};
}

}  // namespace mesh::identity

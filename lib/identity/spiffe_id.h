// SpiffeId: who a workload is, spiffe://TRUST-DOMAIN/PATH.
//
// Source: the SPIFFE ID standard, section 2, read strictly: what it allows to
// be normalized (upper-case scheme, percent encoding) is refused. Istio's
// form of the path is /ns/NAMESPACE/sa/ACCOUNT.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::identity {

class SpiffeId {
 public:
  // At most 2048 bytes; trust domain of 1 to 255 [a-z0-9._-]; path segments of
  // [a-zA-Z0-9._-], none empty, "." or ".."; no query, port or user.
  // Errc::Invalid says which rule is broken.
  static Result<SpiffeId> parse(std::string_view uri);

  // spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT
  static Result<SpiffeId> for_workload(std::string_view trust_domain, std::string_view ns,
                                       std::string_view service_account);

  // spiffe://TRUST-DOMAIN, what an issuing certificate carries.
  static Result<SpiffeId> for_trust_domain(std::string_view trust_domain);

  const std::string& uri() const { return uri_; }
  std::string_view trust_domain() const;
  // With its leading slash; empty for a trust domain itself.
  std::string_view path() const;

  struct Workload {
    std::string_view ns;
    std::string_view service_account;
  };
  // The parts of Istio's form; none for any other path. Views into this id.
  std::optional<Workload> workload() const;

  // As AuthorizationPolicy names it: without the scheme.
  std::string_view principal() const;

  friend bool operator==(const SpiffeId&, const SpiffeId&) = default;

 private:
  SpiffeId(std::string uri, size_t path_at) : uri_(std::move(uri)), path_at_(path_at) {}

  std::string uri_;
  size_t path_at_;  // where the path begins in uri_
};

}  // namespace mesh::identity

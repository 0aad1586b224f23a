// Context: what all TLS sessions of one kind share: certificate, trust, peer
// expectations, ALPN. Immutable; one for all workers; replaced as a whole when
// a certificate is renewed, while running sessions keep the old one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "identity/svid.h"
#include "identity/trust_bundle.h"

struct ssl_ctx_st;

namespace mesh::tls {

enum class Role : uint8_t { Client, Server };
enum class Version : uint8_t { Tls12, Tls13 };

// One acceptable name of the peer, compared with its subject alternative
// names (Envoy's match_typed_subject_alt_names).
struct SanMatch {
  enum class Type : uint8_t { Uri, Dns };
  enum class How : uint8_t { Exact, Prefix, Suffix };
  Type type = Type::Uri;
  How how = How::Exact;
  std::string value;
};

struct Options {
  // Offered in order by a client, preferred in order by a server; at most 16
  // names of 1 to 255 bytes. A server whose peer offers none of them goes on
  // without ALPN, as Envoy does.
  std::vector<std::string> alpn;
  // The peer must show a certificate that the trust roots verify.
  bool verify_peer = true;
  // With verify_peer, of a server: a client may show none; what it shows is verified.
  bool peer_optional = false;
  // Any one of these must match; empty accepts every verified peer.
  std::vector<SanMatch> expected;
  // Sent by a client; an exact DNS name to verify is an `expected` of its own.
  std::string sni;
  Version least = Version::Tls12;  // a mesh context is 1.3 whatever stands here
  Version most = Version::Tls13;
  // Of TLS 1.2, in OpenSSL's names; empty: those with forward secrecy and AEAD.
  std::vector<std::string> ciphers;
  // With verify_peer: the peer's certificate has one of these SHA-256, or its key one of
  // those, in lower-case hexadecimal, beside all else; both empty: any (Envoy,
  // CertificateValidationContext.verify_certificate_hash and verify_certificate_spki).
  std::vector<std::string> peer_certificates;
  std::vector<std::string> peer_keys;
  // Of a server with several certificates (tls/certificate_choice.h).
  bool full_scan = false;
  // With verify_peer: certificate revocation lists as PEM; empty: nothing is looked up. Each
  // issuer of a peer's chain needs a list that is in force, or no peer of it is accepted
  // (Envoy, CertificateValidationContext.crl).
  std::string crl;
  bool crl_leaf_only = false;  // only the peer's own certificate is looked up
};

struct PemCertificate {
  std::string chain;  // leaf first
  std::string key;    // any algorithm OpenSSL takes
};

// PEM texts of a plain (not mesh) context; empty where there is none.
struct PemMaterial {
  std::string chain;  // leaf first
  std::string key;
  std::string roots;                        // needed with verify_peer
  std::vector<PemCertificate> others = {};  // a server's further ones, at most 15
};

class OwnCertificates;

class Context {
 public:
  // Between forwarders: TLS 1.3 only, our SVID, peers of the bundle's trust
  // domain only, every peer identity checked as an X.509-SVID.
  static Result<std::shared_ptr<const Context>> for_mesh(Role role, const identity::Svid& svid,
                                                         const identity::TrustBundle& bundle,
                                                         Options options);

  // From certificate files, as an Envoy bootstrap gives them. TLS 1.2 at least
  // unless the options say more. Errc::Invalid names what does not fit.
  static Result<std::shared_ptr<const Context>> from_pem(Role role, const PemMaterial& pem,
                                                         Options options);

  Role role() const { return role_; }
  const Options& options() const { return options_; }
  // When the first of our own certificates ends; none where we show none.
  std::optional<WallTime> not_after() const { return not_after_; }
  // Our own certificates, each leaf first, and those that are trusted. For people.
  std::vector<std::vector<identity::Certificate>> chains() const;
  std::vector<identity::Certificate> roots() const;
  // Our own identity in a mesh context, else empty.
  const std::string& identity() const { return identity_; }

  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  friend class Session;
  friend struct Hooks;  // OpenSSL's callbacks, in hooks.cc
  Context(Role role, Options options);
  Result<void> set_up();
  Result<void> show(const PemMaterial& pem);
  Result<void> trust(const std::vector<identity::Certificate>& roots);
  Result<void> revoke();

  const Role role_;
  const Options options_;
  ssl_ctx_st* ctx_ = nullptr;
  std::unique_ptr<const OwnCertificates> several_;  // null: one at most
  std::string alpn_wire_;
  std::string trust_domain_;  // empty: not a mesh context
  std::string identity_;
  std::optional<WallTime> not_after_;
};

}  // namespace mesh::tls

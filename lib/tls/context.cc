#include "tls/context.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "identity/openssl.h"
#include "tls/hooks.h"
#include "tls/own_certificates.h"

namespace mesh::tls {
namespace {

namespace openssl = identity::openssl;

constexpr size_t kAlpnNamesMax = 16;
constexpr size_t kCertificatesMax = 16;
constexpr size_t kRevocationListsMax = 1000;
// One read(2) may fetch two full records.
constexpr size_t kReadBufferBytes = 33 * 1024;

int number(Version version) { return version == Version::Tls13 ? TLS1_3_VERSION : TLS1_2_VERSION; }

Result<std::string> alpn_wire(const std::vector<std::string>& names) {
  if (names.size() > kAlpnNamesMax) return Error{Errc::Invalid, "over 16 ALPN protocols"};
  std::string wire;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 255)
      return Error{Errc::Invalid, "an ALPN protocol has 1 to 255 bytes"};
    wire += char(name.size());
    wire += name;
  }
  return wire;
}

int no_passphrase(char*, int, int, void*) { return -1; }

Result<openssl::PKey> any_key(const std::string& pem) {
  const openssl::Bio bio = openssl::reader(pem);
  openssl::PKey key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr)
                        : nullptr);
  if (!key) return openssl::error(Errc::Invalid, "private key");
  return key;
}

Result<void> use(ssl_ctx_st* ctx, const std::vector<identity::Certificate>& chain, EVP_PKEY* key) {
  if (SSL_CTX_use_certificate(ctx, chain.front().native()) != 1)
    return openssl::error(Errc::Invalid, "certificate");
  for (size_t i = 1; i < chain.size(); ++i)
    if (SSL_CTX_add1_chain_cert(ctx, chain[i].native()) != 1)
      return openssl::error(Errc::Invalid, "certificate chain");
  if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
    return openssl::error(Errc::Invalid, "private key does not belong to the certificate");
  return {};
}

Result<OwnCertificates::One> parse(const PemCertificate& pem) {
  OwnCertificates::One one;
  MESH_TRY(one.chain, identity::certificates_from_pem(pem.chain));
  MESH_TRY(one.key, any_key(pem.key));
  return one;
}

// As many as a system trusts, which are more than any chain or bundle of ours has.
Result<std::vector<identity::Certificate>> roots_from_pem(std::string_view pem) {
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  constexpr size_t kRootsMax = 1000;
  if (pem.find(kEnd) == std::string_view::npos) return identity::certificates_from_pem(pem);
  std::vector<identity::Certificate> roots;
  while (!pem.empty()) {
    const size_t end = pem.find(kEnd);
    const bool last = end == std::string_view::npos;
    if (last && pem.find("-----BEGIN") == std::string_view::npos) break;  // remarks
    const std::string_view one = pem.substr(0, last ? end : end + kEnd.size());
    MESH_TRY(auto parsed, identity::certificates_from_pem(one));
    if (roots.size() + parsed.size() > kRootsMax)
      return Error{Errc::TooBig, "over 1000 trusted certificates"};
    for (auto& root : parsed) roots.push_back(std::move(root));
    pem.remove_prefix(one.size());
  }
  return roots;
}

}  // namespace

Context::Context(Role role, Options options) : role_(role), options_(std::move(options)) {}

Context::~Context() { SSL_CTX_free(ctx_); }

Result<void> Context::set_up() {
  ctx_ = SSL_CTX_new(role_ == Role::Server ? TLS_server_method() : TLS_client_method());
  if (ctx_ == nullptr) return openssl::error(Errc::Internal, "make TLS context");
  if (options_.most < options_.least)
    return Error{Errc::Invalid, "the greatest TLS version is below the least"};
  MESH_TRY(alpn_wire_, alpn_wire(options_.alpn));
  if (SSL_CTX_set_min_proto_version(ctx_, number(options_.least)) != 1 ||
      SSL_CTX_set_max_proto_version(ctx_, number(options_.most)) != 1)
    return openssl::error(Errc::Internal, "set TLS versions");

  // No resumption of any kind: a peer is judged anew on every connection, so
  // what was trusted by an older bundle does not come back. Renegotiation
  // (TLS 1.2) is refused; a connection's keys are its own.
  SSL_CTX_set_session_cache_mode(ctx_, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(ctx_, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_num_tickets(ctx_, 0);
  // AES-128 first: half the rounds, and no weaker against what exists.
  if (SSL_CTX_set_ciphersuites(ctx_,
                               "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                               "TLS_CHACHA20_POLY1305_SHA256") != 1 ||
      SSL_CTX_set1_groups_list(ctx_, "X25519:P-256") != 1)
    return openssl::error(Errc::Internal, "set TLS ciphers");
  const std::string ciphers = options_.ciphers.empty() ? "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK"
                                                       : text::join(options_.ciphers, ":");
  if (SSL_CTX_set_cipher_list(ctx_, ciphers.c_str()) != 1)
    return openssl::error(Errc::Invalid, "cipher suites " + text::quoted(ciphers));

  // An idle session holds no buffers, a busy one reads ahead: one system call
  // may fetch several records.
  SSL_CTX_set_mode(ctx_, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                             SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ctx_, 1);
  SSL_CTX_set_default_read_buffer_len(ctx_, kReadBufferBytes);
  SSL_CTX_set_quiet_shutdown(ctx_, 0);
  hook_context(ctx_, *this);
  return {};
}

Result<void> Context::trust(const std::vector<identity::Certificate>& roots) {
  openssl::Store store(X509_STORE_new());
  if (!store) return openssl::error(Errc::Internal, "make certificate store");
  for (const identity::Certificate& root : roots)
    if (X509_STORE_add_cert(store.get(), root.native()) != 1)
      return openssl::error(Errc::Invalid, "add root certificate");
  // The list of CA names is not sent: it tells strangers about us and costs
  // bytes in each handshake; a mesh peer has one certificate anyway.
  if (SSL_CTX_set1_verify_cert_store(ctx_, store.get()) != 1)
    return openssl::error(Errc::Internal, "set trusted certificates");
  return {};
}

// All lists of options_.crl; other kinds of blocks are passed over, as Envoy does.
Result<void> Context::revoke() {
  if (options_.crl.empty()) return {};
  X509_STORE* store = nullptr;
  SSL_CTX_get0_verify_cert_store(ctx_, &store);
  const openssl::Bio bio = openssl::reader(options_.crl);
  if (!bio) return openssl::error(Errc::Internal, "read revocation lists");
  for (size_t count = 0;; ++count) {
    const openssl::RevocationList list(
        PEM_read_bio_X509_CRL(bio.get(), nullptr, no_passphrase, nullptr));
    const bool over = !list && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (over && count > 0) break;
    if (!list) return openssl::error(Errc::Invalid, "certificate revocation list");
    if (count == kRevocationListsMax)
      return Error{Errc::TooBig, "over 1000 certificate revocation lists"};
    if (X509_STORE_add_crl(store, list.get()) != 1)
      return openssl::error(Errc::Invalid, "add certificate revocation list");
  }
  ERR_clear_error();
  const unsigned long all = options_.crl_leaf_only ? 0 : X509_V_FLAG_CRL_CHECK_ALL;
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx_), X509_V_FLAG_CRL_CHECK | all);
  return {};
}

namespace {

void append(X509* native, std::vector<identity::Certificate>& list) {
  if (native == nullptr || X509_up_ref(native) != 1) return;
  if (auto certificate = identity::Certificate::adopt(native))
    list.push_back(*std::move(certificate));
}

}  // namespace

std::vector<std::vector<identity::Certificate>> Context::chains() const {
  std::vector<std::vector<identity::Certificate>> list;
  if (several_) {
    for (const auto& one : several_->list()) list.push_back(one.chain);
    return list;
  }
  std::vector<identity::Certificate> chain;
  append(SSL_CTX_get0_certificate(ctx_), chain);
  STACK_OF(X509)* rest = nullptr;
  SSL_CTX_get0_chain_certs(ctx_, &rest);
  for (int i = 0; i < sk_X509_num(rest); ++i) append(sk_X509_value(rest, i), chain);
  if (!chain.empty()) list.push_back(std::move(chain));
  return list;
}

std::vector<identity::Certificate> Context::roots() const {
  std::vector<identity::Certificate> list;
  X509_STORE* store = nullptr;
  SSL_CTX_get0_verify_cert_store(ctx_, &store);
  STACK_OF(X509_OBJECT)* const objects =
      store == nullptr ? nullptr : X509_STORE_get0_objects(store);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i)
    append(X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i)), list);
  return list;
}

Result<std::shared_ptr<const Context>> Context::for_mesh(Role role, const identity::Svid& svid,
                                                         const identity::TrustBundle& bundle,
                                                         Options options) {
  options.verify_peer = true;
  options.least = options.most = Version::Tls13;
  std::shared_ptr<Context> context(new Context(role, std::move(options)));
  context->trust_domain_ = bundle.trust_domain();
  context->identity_ = svid.id().uri();
  context->not_after_ = svid.leaf().not_after();
  MESH_TRY_VOID(context->set_up());
  MESH_TRY_VOID(use(context->ctx_, svid.chain(), svid.key().native()));
  MESH_TRY_VOID(context->trust(bundle.roots()));
  MESH_TRY_VOID(context->revoke());
  return std::shared_ptr<const Context>(std::move(context));
}

Result<void> Context::show(const PemMaterial& pem) {
  if (pem.chain.empty() != pem.key.empty())
    return Error{Errc::Invalid, "a certificate chain needs its private key, and the reverse"};
  if (role_ == Role::Server && pem.chain.empty())
    return Error{Errc::Invalid, "a TLS server needs a certificate chain and its private key"};
  if (pem.others.size() >= kCertificatesMax) return Error{Errc::TooBig, "over 16 certificates"};
  if (pem.chain.empty()) return {};
  MESH_TRY(OwnCertificates::One first, parse({pem.chain, pem.key}));
  MESH_TRY_VOID(use(ctx_, first.chain, first.key.get()));
  not_after_ = first.chain.front().not_after();
  if (pem.others.empty()) return {};
  std::vector<OwnCertificates::One> all;
  all.push_back(std::move(first));
  for (const PemCertificate& other : pem.others) {
    MESH_TRY(OwnCertificates::One one, parse(other));
    not_after_ = std::min(*not_after_, one.chain.front().not_after());
    all.push_back(std::move(one));
  }
  MESH_TRY(OwnCertificates several, OwnCertificates::make(std::move(all), options_.full_scan));
  several_ = std::make_unique<const OwnCertificates>(std::move(several));
  hook_certificates(ctx_, *this);
  return {};
}

Result<std::shared_ptr<const Context>> Context::from_pem(Role role, const PemMaterial& pem,
                                                         Options options) {
  std::shared_ptr<Context> context(new Context(role, std::move(options)));
  MESH_TRY_VOID(context->set_up());
  MESH_TRY_VOID(context->show(pem));
  if (!context->options_.verify_peer) {
    const Options& asked = context->options_;
    if (!asked.expected.empty() || !asked.peer_certificates.empty() || !asked.peer_keys.empty())
      return Error{Errc::Invalid, "expected peer names need a verified peer: give trusted roots"};
    return std::shared_ptr<const Context>(std::move(context));
  }
  if (pem.roots.empty())
    return Error{Errc::Invalid, "to verify peers, trusted root certificates are needed"};
  MESH_TRY(const auto roots, roots_from_pem(pem.roots));
  MESH_TRY_VOID(context->trust(roots));
  MESH_TRY_VOID(context->revoke());
  // What a file names is trusted as it stands, be it an intermediate or a
  // single peer's certificate (Envoy, CertificateValidationContext.trusted_ca).
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context->ctx_), X509_V_FLAG_PARTIAL_CHAIN);
  return std::shared_ptr<const Context>(std::move(context));
}

}  // namespace mesh::tls

#include "tls/session.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"
#include "identity/openssl.h"
#include "tls/hooks.h"

namespace mesh::tls {
namespace {

namespace openssl = identity::openssl;

// What the reasons in OpenSSL's queue mean to people: our own refusals, and
// the peer's alerts (RFC 8446, section 6.2).
struct Meaning {
  int reason;
  bool verification;
  std::string_view text;
};
constexpr auto kMeanings = std::to_array<Meaning>({
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, true, "peer presented no certificate"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, true, "peer refused us: it wants a certificate"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, true, "peer refused our certificate: signed by another CA"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, true, "peer refused our certificate: expired"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, true, "peer refused our certificate: revoked"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, true, "peer refused our certificate"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, true, "peer refused our certificate as malformed"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, true, "peer refused our kind of certificate"},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, true, "peer refused our identity"},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, false,
     "peer refused the handshake: no common parameters, or our identity"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, false, "peer refused our TLS version"},
    {SSL_R_TLSV1_UNRECOGNIZED_NAME, false, "peer serves no such name (SNI)"},
    {SSL_R_UNSUPPORTED_PROTOCOL, false, "peer's TLS version is too old for us"},
    {SSL_R_NO_SHARED_CIPHER, false, "no cipher in common with the peer"},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, false, "no signature algorithm in common"},
    {SSL_R_HTTP_REQUEST, false, "peer speaks plain HTTP, not TLS"},
    {SSL_R_HTTPS_PROXY_REQUEST, false, "peer speaks plain HTTP, not TLS"},
    {SSL_R_WRONG_VERSION_NUMBER, false, "peer does not speak TLS"},
    {SSL_R_BAD_RECORD_TYPE, false, "peer does not speak TLS"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, false, "a record was damaged on the way"},
});

const Meaning* meaning_of(unsigned long code) {
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) return nullptr;
  for (const Meaning& one : kMeanings)
    if (one.reason == ERR_GET_REASON(code)) return &one;
  return nullptr;
}

constexpr size_t kRecordBytes = 16 * 1024;  // of plain text (RFC 8446, section 5.1)

// Copies what fits of the pieces, from byte `at` of the first on.
std::string_view gather(std::span<const iovec> pieces, size_t at, std::span<char> into) {
  size_t used = 0;
  for (const iovec& piece : pieces) {
    const size_t n = std::min(piece.iov_len - at, into.size() - used);
    if (n > 0) std::memcpy(into.data() + used, static_cast<const char*>(piece.iov_base) + at, n);
    used += n;
    at = 0;
    if (used == into.size()) break;
  }
  return {into.data(), used};
}

}  // namespace

Session::Session(std::shared_ptr<const Context> context, int fd)
    : context_(std::move(context)), fd_(fd) {}

Session::~Session() {
  SSL_free(ssl_);
  ERR_clear_error();
}

Result<std::unique_ptr<Session>> Session::make(std::shared_ptr<const Context> context, int fd,
                                               std::string_view sni, std::string_view alpn) {
  std::unique_ptr<Session> session(new Session(std::move(context), fd));
  const Context& shared = *session->context_;
  session->ssl_ = SSL_new(shared.ctx_);
  SSL* ssl = session->ssl_;
  if (ssl == nullptr || !hook_session(ssl, *session))
    return openssl::error(Errc::Internal, "make TLS session");
  if (shared.role() == Role::Server) {
    SSL_set_accept_state(ssl);
    return session;
  }
  SSL_set_connect_state(ssl);
  const std::string name(sni.empty() ? std::string_view(shared.options().sni) : sni);
  if (!name.empty() && SSL_set_tlsext_host_name(ssl, name.c_str()) != 1)
    return openssl::error(Errc::Invalid, "SNI \"" + name + "\"");
  std::string wire = shared.alpn_wire_;
  if (wire.empty() && !alpn.empty())
    for (const auto one : text::split(alpn, ',')) wire.append(1, char(one.size())).append(one);
  // Returns 0 for success, unlike its neighbours.
  if (!wire.empty() &&
      SSL_set_alpn_protos(ssl, openssl::bytes_of(wire), unsigned(wire.size())) != 0)
    return openssl::error(Errc::Internal, "set ALPN");
  return session;
}

void Session::fail(std::string text) {
  if (error_.empty()) error_ = std::move(text);
}

// Judges what SSL_* returned, and leaves OpenSSL's queue empty: the next
// session of this thread must not read our errors.
IoResult Session::outcome(int rc, std::string_view doing) {
  wants_write_ = false;
  switch (SSL_get_error(ssl_, rc)) {
    case SSL_ERROR_WANT_READ: return {Io::WouldBlock};
    case SSL_ERROR_WANT_WRITE: wants_write_ = true; return {Io::WouldBlock};
    case SSL_ERROR_ZERO_RETURN: return {Io::Eof};
    default: break;
  }
  const unsigned long code = ERR_peek_error();
  if (!error_.empty()) {
    // The verifier has said why.
  } else if (const Meaning* meaning = meaning_of(code)) {
    verification_failed_ = meaning->verification;
    fail(std::string(meaning->text));
  } else if (hung_up_) {
    fail(established_ ? "peer closed the connection without ending TLS"
                      : "peer closed the connection during the TLS handshake");
  } else if (socket_errno_ != 0) {
    fail(std::string(doing) + ": " + std::strerror(socket_errno_));
  } else {
    const char* reason = ERR_reason_error_string(code);
    fail(std::string(doing) + ": " + (reason ? reason : "unknown failure"));
  }
  ERR_clear_error();
  return {Io::Error};
}

void Session::on_readable() { drained_ = false; }

IoResult Session::handshake() {
  if (!error_.empty()) return {Io::Error};
  if (established_) return {Io::Ok};
  const int rc = SSL_do_handshake(ssl_);
  if (rc != 1) return outcome(rc, "TLS handshake");
  wants_write_ = false;
  established_ = true;
  return {Io::Ok};
}

IoResult Session::read(std::span<char> into) {
  if (!error_.empty()) return {Io::Error};
  size_t n = 0;
  const int rc = SSL_read_ex(ssl_, into.data(), into.size(), &n);
  if (rc == 1) return {Io::Ok, n};
  return outcome(rc, "TLS read");
}

bool Session::has_pending() const { return SSL_has_pending(ssl_) == 1; }

IoResult Session::write(std::string_view bytes) {
  if (!error_.empty()) return {Io::Error};
  if (bytes.empty()) return {Io::Ok, 0};
  size_t n = 0;
  const int rc = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &n);
  wants_write_ = false;
  if (rc == 1) return {Io::Ok, n};
  return outcome(rc, "TLS write");
}

IoResult Session::write(std::span<const iovec> pieces) {
  // One a thread, not one a session: it is empty between calls. What OpenSSL
  // could not send it keeps encrypted, and asks for the same bytes again.
  static thread_local std::array<char, kRecordBytes> record;
  size_t sent = 0;
  size_t at = 0;  // within the first piece
  while (!pieces.empty()) {
    std::string_view bytes(static_cast<const char*>(pieces[0].iov_base) + at,
                           pieces[0].iov_len - at);
    if (bytes.size() < kRecordBytes && pieces.size() > 1) bytes = gather(pieces, at, record);
    const IoResult result = write(bytes);
    if (result.status != Io::Ok)
      return {result.status == Io::WouldBlock && sent > 0 ? Io::Ok : result.status, sent};
    sent += result.bytes;
    at += result.bytes;
    while (!pieces.empty() && at >= pieces[0].iov_len) {
      at -= pieces[0].iov_len;
      pieces = pieces.subspan(1);
    }
  }
  return {Io::Ok, sent};
}

IoResult Session::shutdown() {
  if (!error_.empty() || !established_ || shut_down_) return {Io::Ok};
  const int rc = SSL_shutdown(ssl_);
  if (rc < 0) return outcome(rc, "TLS shutdown");
  shut_down_ = true;
  ERR_clear_error();
  return {Io::Ok};
}

std::optional<identity::Certificate> Session::peer_certificate() const {
  X509* peer = SSL_get1_peer_certificate(ssl_);
  if (peer == nullptr) return std::nullopt;
  auto certificate = identity::Certificate::adopt(peer);
  if (!certificate) return std::nullopt;
  return *std::move(certificate);
}

std::optional<identity::Certificate> Session::own_certificate() const {
  X509* const own = SSL_get_certificate(ssl_);
  if (own == nullptr || X509_up_ref(own) != 1) return std::nullopt;
  auto certificate = identity::Certificate::adopt(own);
  if (!certificate) return std::nullopt;
  return *std::move(certificate);
}

std::string_view Session::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string_view Session::version() const { return SSL_get_version(ssl_); }

std::string_view Session::cipher() const {
  const char* name = SSL_get_cipher_name(ssl_);
  return name ? name : "";
}

std::string_view Session::sni() const {
  const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name ? name : "";
}

}  // namespace mesh::tls

#include "tls/hooks.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "identity/namespaces.h"
#include "identity/openssl.h"
#include "tls/context.h"
#include "tls/own_certificates.h"
#include "tls/session.h"

namespace mesh::tls {
namespace {

int context_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

const Context& context_of(SSL* ssl) {
  return *static_cast<const Context*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index()));
}

// A DNS pattern of a certificate: a leading "*." stands for one label
// (RFC 6125, section 6.4.3).
bool dns_equal(std::string_view pattern, std::string_view name) {
  if (text::iequals(pattern, name)) return true;
  if (!pattern.starts_with("*.")) return false;
  const size_t dot = name.find('.');
  const std::string_view domain = pattern.substr(1);
  return dot != std::string_view::npos && dot > 0 &&
         domain.find('.', 1) != std::string_view::npos && text::iequals(domain, name.substr(dot));
}

bool matches(const SanMatch& match, const std::string& san) {
  switch (match.how) {
    case SanMatch::How::Exact:
      return match.type == SanMatch::Type::Dns ? dns_equal(san, match.value) : san == match.value;
    case SanMatch::How::Prefix: return san.starts_with(match.value);
    case SanMatch::How::Suffix: return san.ends_with(match.value);
  }
  return false;
}

std::string first_name(const identity::Certificate& certificate) {
  if (!certificate.uri_sans().empty()) return certificate.uri_sans().front();
  if (!certificate.dns_sans().empty()) return certificate.dns_sans().front();
  return certificate.subject().empty() ? "without a name" : certificate.subject();
}

std::string names_of(const std::vector<SanMatch>& expected) {
  std::string names = expected.front().value;
  if (expected.size() > 1) names += " or " + std::to_string(expected.size() - 1) + " more";
  return names;
}

}  // namespace

struct Hooks {
  static Session& session_of(SSL* ssl) { return *static_cast<Session*>(SSL_get_app_data(ssl)); }

  // The whole judgement on a peer: chain, then identity, then expectation.
  static int verify(X509_STORE_CTX* store, void*) {
    auto* ssl =
        static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    Session& session = session_of(ssl);
    // OpenSSL asks even where the answer does not count.
    if (!session.context_->options_.verify_peer) return 1;
    const bool good = X509_verify_cert(store) == 1;
    const int code = X509_STORE_CTX_get_error(store);
    if (!good) {
      reject(session, "peer's " + identity::explain_verify_error(
                                      code, X509_STORE_CTX_get_current_cert(store),
                                      std::chrono::system_clock::now()));
      return 0;
    }
    X509* peer = X509_STORE_CTX_get0_cert(store);
    X509_up_ref(peer);
    const auto certificate = identity::Certificate::adopt(peer);
    if (certificate && judge(session, *certificate) && bounded(session, store, *certificate))
      return 1;
    if (!certificate) reject(session, certificate.error().text);
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
  }

  // An issuer may be bounded to some namespaces; who bears no identity is bounded by
  // nothing of ours.
  static bool bounded(Session& session, X509_STORE_CTX* store,
                      const identity::Certificate& certificate) {
    const auto id = certificate.spiffe_id();
    if (!id) return true;
    const auto good = identity::check_bounds(store, *id);
    return good || reject(session, "peer's " + good.error().text);
  }

  static bool judge(Session& session, const identity::Certificate& certificate) {
    const Context& context = *session.context_;
    const auto id = certificate.spiffe_id();
    if (!context.trust_domain_.empty()) {
      if (!id) return reject(session, "peer's " + id.error().text);
      if (certificate.is_ca() || id->path().empty())
        return reject(session, "peer showed an issuing certificate as its own");
      if (id->trust_domain() != context.trust_domain_)
        return reject(session,
                      "peer is " + id->uri() + ", not of trust domain " + context.trust_domain_);
    }
    if (!expected(context.options_.expected, certificate))
      return reject(session, "peer is " + first_name(certificate) + ", expected " +
                                 names_of(context.options_.expected));
    if (!pinned(context.options_, certificate))
      return reject(session, "peer is " + first_name(certificate) +
                                 ", whose certificate and key are none of those expected");
    if (id) session.peer_spiffe_id_ = id->uri();
    return true;
  }

  static bool expected(const std::vector<SanMatch>& wanted,
                       const identity::Certificate& certificate) {
    if (wanted.empty()) return true;
    return std::any_of(wanted.begin(), wanted.end(), [&](const SanMatch& match) {
      const auto& sans =
          match.type == SanMatch::Type::Uri ? certificate.uri_sans() : certificate.dns_sans();
      return std::any_of(sans.begin(), sans.end(),
                         [&](const std::string& san) { return matches(match, san); });
    });
  }

  static bool pinned(const Options& options, const identity::Certificate& certificate) {
    const auto has = [](const std::vector<std::string>& list, const std::string& one) {
      return std::find(list.begin(), list.end(), one) != list.end();
    };
    return (options.peer_certificates.empty() && options.peer_keys.empty()) ||
           has(options.peer_certificates, certificate.fingerprint()) ||
           has(options.peer_keys, certificate.key_fingerprint());
  }

  static bool reject(Session& session, std::string why) {
    session.verification_failed_ = true;
    session.error_ = std::move(why);
    return false;
  }

  // 0 ends the handshake with an alert.
  static int choose_certificate(SSL* ssl, void* context) {
    const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    return static_cast<const Context*>(context)->several_->show(ssl, name == nullptr ? "" : name)
               ? 1
               : 0;
  }

  static int select_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_length,
                         const unsigned char* offered, unsigned offered_length, void*) {
    const std::string& ours = context_of(ssl).alpn_wire_;
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_length, openssl_bytes(ours), unsigned(ours.size()),
                              offered, offered_length) != OPENSSL_NPN_NEGOTIATED)
      return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }

  static const unsigned char* openssl_bytes(const std::string& text) {
    return identity::openssl::bytes_of(text);
  }

  // The socket, without SIGPIPE, and without a read that can only say EAGAIN.
  static int bio_read(BIO* bio, char* into, int size) {
    auto& session = *static_cast<Session*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    if (session.drained_) {
      BIO_set_retry_read(bio);
      return -1;
    }
    ssize_t n = 0;
    do n = ::recv(session.fd_, into, size_t(size), 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
      session.drained_ = n < size;
      return int(n);
    }
    if (n == 0) {
      session.hung_up_ = true;
      return 0;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      session.drained_ = true;
      BIO_set_retry_read(bio);
    } else {
      session.socket_errno_ = errno;
    }
    return -1;
  }

  static int bio_write(BIO* bio, const char* bytes, int size) {
    auto& session = *static_cast<Session*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    ssize_t n = 0;
    do n = ::send(session.fd_, bytes, size_t(size), MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0) return int(n);
    if (errno == EAGAIN || errno == EWOULDBLOCK)
      BIO_set_retry_write(bio);
    else
      session.socket_errno_ = errno;
    return -1;
  }

  static long bio_control(BIO* bio, int command, long, void*) {
    switch (command) {
      case BIO_CTRL_FLUSH: return 1;
      case BIO_CTRL_EOF: return static_cast<Session*>(BIO_get_data(bio))->hung_up_ ? 1 : 0;
      default: return 0;
    }
  }

  static const BIO_METHOD* bio_method() {
    static const BIO_METHOD* method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
      if (made == nullptr) return made;
      BIO_meth_set_read(made, bio_read);
      BIO_meth_set_write(made, bio_write);
      BIO_meth_set_ctrl(made, bio_control);
      return made;
    }();
    return method;
  }
};

void hook_context(ssl_ctx_st* ctx, const Context& context) {
  SSL_CTX_set_ex_data(ctx, context_index(), const_cast<Context*>(&context));
  SSL_CTX_set_cert_verify_callback(ctx, Hooks::verify, nullptr);
  const int required = context.options().peer_optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  if (context.options().verify_peer)
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | required, nullptr);
  else
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
  if (context.role() == Role::Server && !context.options().alpn.empty())
    SSL_CTX_set_alpn_select_cb(ctx, Hooks::select_alpn, nullptr);
}

void hook_certificates(ssl_ctx_st* ctx, const Context& context) {
  SSL_CTX_set_cert_cb(ctx, Hooks::choose_certificate, const_cast<Context*>(&context));
}

bool hook_session(ssl_st* ssl, Session& session) {
  const BIO_METHOD* method = Hooks::bio_method();
  BIO* bio = method ? BIO_new(method) : nullptr;
  if (bio == nullptr) return false;
  BIO_set_data(bio, &session);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_app_data(ssl, &session);
  return true;
}

}  // namespace mesh::tls

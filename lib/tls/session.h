// Session: TLS over one non-blocking socket, without a loop.
//
// It reads and writes the socket itself and says when it must wait. Made for
// edge-triggered use: after an edge call on_readable(); then read until
// WouldBlock. A read that the kernel answered short is taken as the last one,
// so a record costs one system call or less and there is no read only to see
// EAGAIN. One thread at a time.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "identity/certificate.h"
#include "tls/context.h"

struct ssl_st;

namespace mesh::tls {

enum class Io : uint8_t {
  Ok,          // `bytes` were moved (at least one), or the handshake is done
  WouldBlock,  // wait for the socket: wants_write() tells for which side
  Eof,         // the peer ended the session in order (close_notify)
  Error,       // over; error() says why
};

struct IoResult {
  Io status;
  size_t bytes = 0;
};

class Session {
 public:
  // Borrows `fd`: a connected, non-blocking stream socket that outlives us.
  // `sni` instead of the context's name, for a client; may be empty. `alpn` is what a client
  // offers where the context says nothing: names with commas, the preferred first, or empty.
  // Errc::Internal when OpenSSL has no memory.
  static Result<std::unique_ptr<Session>> make(std::shared_ptr<const Context> context, int fd,
                                               std::string_view sni = {},
                                               std::string_view alpn = {});
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Goes on with the handshake. Ok once it is done; then read and write.
  IoResult handshake();
  bool established() const { return established_; }

  // Call on each readable edge of the socket, before handshake() or read().
  void on_readable();

  // Decrypted bytes; at most one record (16 KiB) a call. Reads on after Ok:
  // OpenSSL may hold more although the socket has none.
  IoResult read(std::span<char> into);
  // Whether read() would give bytes without asking the socket.
  bool has_pending() const;
  // Whether read() would say WouldBlock without asking the socket: it need not be
  // called before the next edge.
  bool drained() const { return drained_ && !has_pending(); }

  // Encrypts at most one record (16 KiB) a call and writes it. After
  // WouldBlock call again with the same bytes (at the same place or another,
  // more may follow them).
  IoResult write(std::string_view bytes);

  // The same for several pieces, in order: small ones are gathered into records
  // of up to 16 KiB. Ok with fewer bytes than given when the socket is full
  // (then wants_write()); WouldBlock when none went.
  IoResult write(std::span<const iovec> pieces);

  // Sends close_notify, once; does not wait for the peer's. WouldBlock may be
  // ignored before closing.
  IoResult shutdown();

  // After WouldBlock: whether the socket must become writable (else readable).
  bool wants_write() const { return wants_write_; }

  // Why the session failed, a sentence for people and logs: "peer presented no
  // certificate", "peer is spiffe://..., expected ...", "peer refused our
  // certificate: unknown CA". Empty before an Error.
  const std::string& error() const { return error_; }
  // The failure is about certificates or names, not about the transport.
  bool error_is_verification() const { return verification_failed_; }

  // After the handshake. Empty where the peer has no such thing.
  const std::string& peer_spiffe_id() const { return peer_spiffe_id_; }
  std::optional<identity::Certificate> peer_certificate() const;
  // What we have shown, or would.
  std::optional<identity::Certificate> own_certificate() const;
  std::string_view alpn() const;     // "h2", "http/1.1", or empty
  std::string_view version() const;  // "TLSv1.3"
  std::string_view cipher() const;   // "TLS_AES_128_GCM_SHA256"
  std::string_view sni() const;      // what the client asked for

  const Context& context() const { return *context_; }

 private:
  friend struct Hooks;  // OpenSSL's callbacks, in hooks.cc
  Session(std::shared_ptr<const Context> context, int fd);
  IoResult outcome(int rc, std::string_view doing);
  void fail(std::string text);

  std::shared_ptr<const Context> context_;
  ssl_st* ssl_ = nullptr;
  const int fd_;
  bool established_ = false;
  bool shut_down_ = false;
  bool drained_ = false;  // the last read was short: nothing there until an edge
  bool hung_up_ = false;  // the socket has ended
  bool wants_write_ = false;
  bool verification_failed_ = false;
  int socket_errno_ = 0;
  std::string error_;
  std::string peer_spiffe_id_;
};

}  // namespace mesh::tls

// Stream: a connected socket's bytes, plain or under TLS.
//
// No loop in it: whoever owns a Stream watches fd(), remembers readable and
// writable, and calls until the answer is Again. One thread.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace mesh::net {

struct Io {
  enum class Status : uint8_t {
    Ok,     // `bytes` were moved, at least one
    Again,  // nothing now: wait for the edge
    Eof,    // reading: the peer has ended in order
    Error,  // the connection is dead; Stream::error_text() says why
  };
  Status status = Status::Again;
  size_t bytes = 0;
  // With Ok: the kernel has no more to give (or to take): the next call would
  // be Again, so it need not be made before the next edge.
  bool drained = false;
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual int fd() const = 0;

  // Takes the handshake as far as it goes: Ok when done (at once in clear
  // text), Again while it waits for the peer, Error when it failed.
  virtual Io::Status handshake() { return Io::Status::Ok; }

  // The watch saw a readable edge, or a hang-up: what an implementation believed
  // to be drained may not be. Call it before read() then.
  virtual void on_edge() {}

  virtual Io read(std::span<char> into) = 0;
  // At most 16 pieces.
  virtual Io write(std::span<const iovec> pieces) = 0;
  // As write(), and nothing follows: once all is taken our direction ends, where the
  // end can travel with the bytes.
  virtual Io write_last(std::span<const iovec> pieces) { return write(pieces); }
  // Says goodbye where the protocol has a word for it; best effort, no wait.
  virtual void close_notify() {}
  // Ends our direction, the goodbye included: Again when the kernel has no room for
  // that (call it again once writable), else Ok. Reading goes on.
  virtual Io::Status end_write();

  virtual bool secure() const { return false; }
  // The application protocol agreed on; empty when none.
  virtual std::string_view alpn() const { return {}; }
  // "TLSv1.3", "TLS_AES_128_GCM_SHA256", and the name the client asked for.
  virtual std::string_view tls_version() const { return {}; }
  virtual std::string_view tls_cipher() const { return {}; }
  virtual std::string_view sni() const { return {}; }
  // The peer's verified SPIFFE identity; empty when it has none.
  virtual std::string_view peer_identity() const { return {}; }
  // Why the last call said Error.
  virtual std::string_view error_text() const = 0;
};

// Clear text over a socket it owns.
class PlainStream final : public Stream {
 public:
  explicit PlainStream(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const override { return fd_.get(); }
  // Gives the descriptor up, to another kind of stream.
  UniqueFd release() { return std::move(fd_); }
  Io read(std::span<char> into) override;
  Io write(std::span<const iovec> pieces) override { return send(pieces, 0); }
  Io write_last(std::span<const iovec> pieces) override;
  std::string_view error_text() const override;

 private:
  Io send(std::span<const iovec> pieces, int flags);

  UniqueFd fd_;
  int error_ = 0;
};

}  // namespace mesh::net

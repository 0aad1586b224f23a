// TlsStream: a tls::Session as a net::Stream, with the socket it runs over.
#pragma once

#include <memory>

#include "net/stream.h"
#include "tls/session.h"

namespace mesh::transport {

class TlsStream final : public net::Stream {
 public:
  // Takes the descriptor. `sni` and `alpn` as tls::Session::make() has them.
  static Result<std::unique_ptr<net::Stream>> make(std::shared_ptr<const tls::Context> context,
                                                   UniqueFd fd, std::string_view sni = {},
                                                   std::string_view alpn = {});

  int fd() const override { return fd_.get(); }
  net::Io::Status handshake() override;
  void on_edge() override { session_->on_readable(); }
  net::Io read(std::span<char> into) override;
  net::Io write(std::span<const iovec> pieces) override;
  void close_notify() override { session_->shutdown(); }
  net::Io::Status end_write() override;
  bool secure() const override { return true; }
  std::string_view alpn() const override { return session_->alpn(); }
  std::string_view tls_version() const override { return session_->version(); }
  std::string_view tls_cipher() const override { return session_->cipher(); }
  std::string_view sni() const override { return session_->sni(); }
  std::string_view peer_identity() const override { return session_->peer_spiffe_id(); }
  std::string_view error_text() const override { return session_->error(); }
  const tls::Session& session() const { return *session_; }

 private:
  TlsStream(UniqueFd fd, std::unique_ptr<tls::Session> session)
      : fd_(std::move(fd)), session_(std::move(session)) {}

  UniqueFd fd_;  // outlives the session, which borrows it
  std::unique_ptr<tls::Session> session_;
};

}  // namespace mesh::transport

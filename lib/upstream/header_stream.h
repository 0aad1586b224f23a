// HeaderStream: a stream whose first bytes are said before its handshake: the PROXY
// protocol's header, below TLS (Envoy's upstream_proxy_protocol).
#pragma once

#include <memory>
#include <string>

#include "net/stream.h"

namespace mesh::upstream {

class HeaderStream final : public net::Stream {
 public:
  // `header` is short: what the kernel does not take at once waits for the edge.
  HeaderStream(std::unique_ptr<net::Stream> inner, std::string header)
      : inner_(std::move(inner)), header_(std::move(header)) {}

  int fd() const override { return inner_->fd(); }
  net::Io::Status handshake() override;
  void on_edge() override { inner_->on_edge(); }
  net::Io read(std::span<char> into) override { return inner_->read(into); }
  net::Io write(std::span<const iovec> pieces) override { return inner_->write(pieces); }
  void close_notify() override { inner_->close_notify(); }
  net::Io::Status end_write() override { return inner_->end_write(); }
  bool secure() const override { return inner_->secure(); }
  std::string_view alpn() const override { return inner_->alpn(); }
  std::string_view tls_version() const override { return inner_->tls_version(); }
  std::string_view tls_cipher() const override { return inner_->tls_cipher(); }
  std::string_view sni() const override { return inner_->sni(); }
  std::string_view peer_identity() const override { return inner_->peer_identity(); }
  std::string_view error_text() const override;

 private:
  const std::unique_ptr<net::Stream> inner_;
  std::string header_;  // what of it is left
  int error_ = 0;
};

}  // namespace mesh::upstream

// ConnectHandshake: a stream that goes through an HTTP/1.1 proxy: after the inner stream's
// handshake the proxy is asked for a tunnel by CONNECT, and what follows its 2xx are the
// tunnel's bytes (RFC 9110, section 9.3.6; Envoy, TcpProxy.tunneling_config).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/stream.h"

namespace mesh::upstream {

class ConnectHandshake final : public net::Stream {
 public:
  // Of all heads of the answer together, informational ones too.
  static constexpr size_t kHeadBytesMax = 16 * 1024;

  // `authority` is HOST:PORT, without anything that would end a line.
  ConnectHandshake(std::unique_ptr<net::Stream> inner, std::string_view authority);

  int fd() const override { return inner_->fd(); }
  // Error where the proxy refuses, ends, speaks something else, or HTTP/2 by ALPN.
  net::Io::Status handshake() override;
  void on_edge() override { inner_->on_edge(); }
  net::Io read(std::span<char> into) override;
  net::Io write(std::span<const iovec> pieces) override { return inner_->write(pieces); }
  net::Io write_last(std::span<const iovec> pieces) override { return inner_->write_last(pieces); }
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
  enum class Stage : uint8_t { Inner, Asking, Waiting, Open };
  net::Io::Status ask();
  net::Io::Status hear();
  net::Io::Status judge();
  net::Io::Status fail(std::string text);

  const std::unique_ptr<net::Stream> inner_;
  Stage stage_ = Stage::Inner;
  std::string request_;  // what of it is left
  std::string heard_;    // of the answer; once open, the tunnel's first bytes
  size_t heads_bytes_ = 0;
  std::string error_;
};

}  // namespace mesh::upstream

// ClientCodec: HTTP/2 towards an upstream, sans I/O (RFC 9113), over nghttp2.
//
// Writes the preface and its SETTINGS at once. Until the peer's SETTINGS came,
// capacity() counts on 100 streams. GOAWAY: streams above its last id end with
// on_reset(Refused), the others go on, and no new one opens.
#pragma once

#include <memory>

#include "http/codec.h"
#include "http/limits.h"

namespace mesh::http2 {

class Session;

class ClientCodec final : public http::ClientCodec {
 public:
  // The sink outlives the codec.
  explicit ClientCodec(http::ByteSink& sink, const http::Limits& limits = {});
  ~ClientCodec() override;

  http::Stream* open(http::StreamHandler& handler) override;
  size_t capacity() const override;

  Result<void> receive(http::ReadBuffer& buffer) override;
  void receive_eof() override;
  bool wants_bytes() const override;
  void produce() override;
  void on_sink_drained() override;
  void drain() override;
  bool finished() const override;
  size_t open_streams() const override;
  http::Protocol protocol() const override { return http::Protocol::Http2; }

 private:
  std::unique_ptr<Session> session_;
};

}  // namespace mesh::http2

// ServerCodec: HTTP/2 towards a client, sans I/O (RFC 9113), over nghttp2.
//
// Writes its SETTINGS at once. Flow control follows the handlers: what a paused
// stream was sent is kept (at most its window) and acknowledged to the peer
// only when it was taken. A peer that floods (resets, pings, settings, empty
// frames) gets GOAWAY ENHANCE_YOUR_CALM.
#pragma once

#include <memory>
#include <string_view>

#include "http/codec.h"
#include "http/limits.h"

namespace mesh::http2 {

class Session;

class ServerCodec final : public http::Codec {
 public:
  // Sink and handler outlive the codec. What
  // the peer says in :scheme stands in the head (RFC 9113 section 8.3.1).
  ServerCodec(http::ByteSink& sink, http::ServerHandler& handler, const http::Limits& limits = {});
  ~ServerCodec() override;

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

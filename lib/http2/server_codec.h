// ServerCodec: HTTP/2 towards a client, sans I/O (RFC 9113), over nghttp2.
//
// Writes its SETTINGS at once. Flow control follows the handlers: what a paused
// stream was sent is kept (at most its window) and acknowledged to the peer
// only when it was taken. A peer that floods (resets, pings, settings, empty
// frames) gets GOAWAY ENHANCE_YOUR_CALM.
#pragma once

#include "http2/session_codec.h"

namespace mesh::http2 {

class ServerCodec final : public SessionCodec<http::Codec> {
 public:
  // Sink and handler outlive the codec. What the peer says in :scheme stands in
  // the head (RFC 9113 section 8.3.1).
  ServerCodec(http::ByteSink& sink, http::ServerHandler& handler, const http::Limits& limits = {})
      : SessionCodec(sink, &handler, limits) {}
};

}  // namespace mesh::http2

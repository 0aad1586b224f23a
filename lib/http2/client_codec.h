// ClientCodec: HTTP/2 towards an upstream, sans I/O (RFC 9113), over nghttp2.
//
// Writes the preface and its SETTINGS at once. Until the peer's SETTINGS came,
// capacity() counts on 100 streams, and an extended CONNECT waits (RFC 8441);
// where they do not offer it, its stream ends with on_reset(Refused). GOAWAY:
// streams above its last id end with on_reset(Refused), the others go on, and no
// new one opens.
#pragma once

#include "http2/session_codec.h"

namespace mesh::http2 {

class ClientCodec final : public SessionCodec<http::ClientCodec> {
 public:
  // The sink outlives the codec.
  explicit ClientCodec(http::ByteSink& sink, const http::Limits& limits = {})
      : SessionCodec(sink, nullptr, limits) {}

  http::Stream* open(http::StreamHandler& handler) override { return session_.open(handler); }
  size_t capacity() const override { return session_.capacity(); }
};

}  // namespace mesh::http2

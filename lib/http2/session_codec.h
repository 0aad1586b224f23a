// SessionCodec: what the two HTTP/2 codecs share: the face of a Session.
#pragma once

#include "http/codec.h"
#include "http2/session.h"

namespace mesh::http2 {

// `Base` is http::Codec or http::ClientCodec.
template <class Base>
class SessionCodec : public Base {
 public:
  Result<void> receive(http::ReadBuffer& buffer) final { return session_.receive(buffer); }
  void receive_eof() final { session_.receive_eof(); }
  bool wants_bytes() const final { return !session_.finished(); }
  void produce() final { session_.produce(); }
  void on_sink_drained() final { session_.on_sink_drained(); }
  void drain() final { session_.drain(); }
  bool finished() const final { return session_.finished(); }
  void ping() final { session_.ping(); }
  bool ping_unanswered() const final { return session_.ping_unanswered(); }
  size_t open_streams() const final { return session_.open_streams(); }
  http::Protocol protocol() const final { return http::Protocol::Http2; }

 protected:
  SessionCodec(http::ByteSink& sink, http::ServerHandler* handler, const http::Limits& limits)
      : session_(sink, handler, limits) {}
  ~SessionCodec() = default;

  Session session_;
};

}  // namespace mesh::http2

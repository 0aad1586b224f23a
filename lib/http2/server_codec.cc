#include "http2/server_codec.h"

#include "http2/session.h"

namespace mesh::http2 {

ServerCodec::ServerCodec(http::ByteSink& sink, http::ServerHandler& handler,
                         const http::Limits& limits)
    : session_(std::make_unique<Session>(sink, &handler, limits)) {}

ServerCodec::~ServerCodec() = default;

Result<void> ServerCodec::receive(http::ReadBuffer& buffer) { return session_->receive(buffer); }
void ServerCodec::receive_eof() { session_->receive_eof(); }
bool ServerCodec::wants_bytes() const { return !session_->finished(); }
void ServerCodec::produce() { session_->produce(); }
void ServerCodec::on_sink_drained() { session_->on_sink_drained(); }
void ServerCodec::drain() { session_->drain(); }
bool ServerCodec::finished() const { return session_->finished(); }
size_t ServerCodec::open_streams() const { return session_->open_streams(); }

}  // namespace mesh::http2

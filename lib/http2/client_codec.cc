#include "http2/client_codec.h"

#include "http2/session.h"

namespace mesh::http2 {

ClientCodec::ClientCodec(http::ByteSink& sink, const http::Limits& limits)
    : session_(std::make_unique<Session>(sink, nullptr, limits)) {}

ClientCodec::~ClientCodec() = default;

http::Stream* ClientCodec::open(http::StreamHandler& handler) { return session_->open(handler); }
size_t ClientCodec::capacity() const { return session_->capacity(); }

Result<void> ClientCodec::receive(http::ReadBuffer& buffer) { return session_->receive(buffer); }
void ClientCodec::receive_eof() { session_->receive_eof(); }
bool ClientCodec::wants_bytes() const { return !session_->finished(); }
void ClientCodec::produce() { session_->produce(); }
void ClientCodec::on_sink_drained() { session_->on_sink_drained(); }
void ClientCodec::drain() { session_->drain(); }
bool ClientCodec::finished() const { return session_->finished(); }
size_t ClientCodec::open_streams() const { return session_->open_streams(); }

}  // namespace mesh::http2

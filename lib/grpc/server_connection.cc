#include "grpc/server_connection.h"

#include "grpc/server_stream.h"

namespace mesh::grpc {
namespace {

constexpr Duration kHandshakeTime = std::chrono::seconds(10);
constexpr Duration kLastWordsTime = std::chrono::seconds(2);

}  // namespace

using transport::Transport;

ServerConnection::ServerConnection(Server& server)
    : server_(server),
      transport_(server.loop_, server.shared_->blocks, *this),
      deadline_(server.loop_.wheel(), *this) {}

ServerConnection::~ServerConnection() {
  transport_.close();
  transport_.set_codec(nullptr);
}

Result<void> ServerConnection::start(std::unique_ptr<net::Stream> stream) {
  peer_ = peer_of(stream->fd());
  deadline_.arm(kHandshakeTime);
  return transport_.start(std::move(stream), Transport::Begin::Open);
}

void ServerConnection::on_established() {
  const net::Stream& stream = transport_.stream();
  if (stream.secure()) {
    peer_.secure = true;
    peer_.identity = stream.peer_identity();
    if (stream.alpn() != "h2") {
      ++server_.refused_;
      return close();
    }
  }
  http::ServerHandler& handler = *this;
  codec_ = std::make_unique<http2::ServerCodec>(transport_, handler, options().limits);
  transport_.set_codec(codec_.get());
  deadline_.arm(kHandshakeTime);  // the first call's
  if (server_.draining_) codec_->drain();
}

http::StreamHandler* ServerConnection::on_stream(http::Stream& stream) {
  if (server_.draining_) return nullptr;
  deadline_.cancel();
  auto made = std::make_unique<ServerStream>(*this, stream);
  ServerStream* const raw = made.get();
  streams_[raw] = std::move(made);
  return raw;
}

void ServerConnection::remove(ServerStream& stream) {
  const auto at = streams_.find(&stream);
  if (at == streams_.end()) return;
  loop().retire(std::move(at->second));
  streams_.erase(at);
  if (streams_.empty() && !closed_) deadline_.arm(options().idle);
}

void ServerConnection::look_again() {
  if (closed_) return;
  transport_.look_again();
  transport_.kick();
}

void ServerConnection::drain() {
  if (!codec_) return close();
  codec_->drain();
  look_again();
}

void ServerConnection::on_progress() {
  if (closed_ || !codec_) return;
  if (transport_.state() == Transport::State::Lingering) {
    if (streams_.empty()) deadline_.arm(kLastWordsTime);
    return;
  }
  if (codec_->finished()) transport_.close_after_flush(false, "finished");
}

void ServerConnection::on_deadline(event::Deadline&) {
  if (!codec_ || transport_.state() == Transport::State::Lingering) {
    ++server_.refused_;
    return close();
  }
  codec_->drain();
  look_again();
  deadline_.arm(kLastWordsTime);
}

void ServerConnection::close() {
  if (closed_) return;
  if (codec_) codec_->connection_lost();
  transport_.close();
  on_transport_closed("closed");
}

void ServerConnection::on_transport_closed(std::string_view) {
  if (closed_) return;
  closed_ = true;
  deadline_.cancel();
  server_.on_closed(*this);  // retires us
}

}  // namespace mesh::grpc

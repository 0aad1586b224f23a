#include "grpc/client_connection.h"

#include "net/socket.h"
#include "transport/tls_stream.h"

namespace mesh::grpc {

using transport::Transport;

ClientConnection::ClientConnection(Channel& channel, http::BlockPool& blocks)
    : channel_(channel),
      transport_(channel.loop_, blocks, *this),
      deadline_(channel.loop_.wheel(), *this) {}

ClientConnection::~ClientConnection() {
  transport_.close();
  transport_.set_codec(nullptr);
}

Result<void> ClientConnection::start(const net::Address& address) {
  const auto& options = channel_.options_;
  std::shared_ptr<const tls::Context> context;
  secure_ = bool(options.tls);
  if (secure_ && !(context = options.tls()))
    return Error{Errc::Unavailable, "there is no certificate yet"};
  MESH_TRY(UniqueFd fd, net::connect(address));
  std::unique_ptr<net::Stream> stream;
  if (secure_) {
    MESH_TRY(stream, transport::TlsStream::make(std::move(context), std::move(fd), options.sni));
  } else {
    stream = std::make_unique<net::PlainStream>(std::move(fd));
  }
  MESH_TRY_VOID(transport_.start(std::move(stream), Transport::Begin::Connecting));
  deadline_.arm(options.connect_timeout);
  return {};
}

http::Stream* ClientConnection::open(http::StreamHandler& handler) {
  return has_room() ? codec_->open(handler) : nullptr;
}

void ClientConnection::look_again() {
  if (closed_) return;
  transport_.look_again();
  transport_.kick();
}

void ClientConnection::on_established() {
  deadline_.cancel();
  if (secure_ && transport_.stream().alpn() != "h2")
    return close("the server does not speak HTTP/2");
  codec_ = std::make_unique<http2::ClientCodec>(transport_, channel_.options_.limits);
  transport_.set_codec(codec_.get());
  if (channel_.options_.keepalive > Duration(0)) deadline_.arm(channel_.options_.keepalive);
  channel_.place_waiting();
}

void ClientConnection::on_progress() {
  if (closed_ || !codec_) return;
  if (transport_.state() == Transport::State::Lingering) return close("protocol error");
  if (codec_->finished()) return close("the server closes the connection");
  if (codec_->capacity() > 0) channel_.place_waiting();
}

void ClientConnection::on_deadline(event::Deadline&) {
  if (!codec_) return close("connect timeout");
  if (codec_->ping_unanswered()) return transport_.abort("keepalive timeout");
  codec_->ping();
  deadline_.arm(channel_.options_.keepalive);
}

void ClientConnection::close(std::string_view why) {
  if (closed_) return;
  if (codec_) codec_->connection_lost();
  transport_.close();
  on_transport_closed(why);
}

void ClientConnection::on_transport_closed(std::string_view why) {
  if (closed_) return;
  closed_ = true;
  deadline_.cancel();
  channel_.on_closed(*this, useful_, why);  // retires us
}

}  // namespace mesh::grpc

#include "transport/tls_stream.h"

namespace mesh::transport {
namespace {

net::Io::Status status_of(tls::Io io) {
  switch (io) {
    case tls::Io::Ok: return net::Io::Status::Ok;
    case tls::Io::WouldBlock: return net::Io::Status::Again;
    case tls::Io::Eof: return net::Io::Status::Eof;
    case tls::Io::Error: break;
  }
  return net::Io::Status::Error;
}

}  // namespace

Result<std::unique_ptr<net::Stream>> TlsStream::make(std::shared_ptr<const tls::Context> context,
                                                     UniqueFd fd, std::string_view sni,
                                                     std::string_view alpn) {
  MESH_TRY(auto session, tls::Session::make(std::move(context), fd.get(), sni, alpn));
  return std::unique_ptr<net::Stream>(new TlsStream(std::move(fd), std::move(session)));
}

net::Io::Status TlsStream::handshake() { return status_of(session_->handshake().status); }

net::Io TlsStream::read(std::span<char> into) {
  const tls::IoResult result = session_->read(into);
  return {status_of(result.status), result.bytes, session_->drained()};
}

net::Io TlsStream::write(std::span<const iovec> pieces) {
  const tls::IoResult result = session_->write(pieces);
  if (result.status == tls::Io::Error || result.status == tls::Io::Eof)
    return {net::Io::Status::Error, result.bytes, true};
  // The caller comes again with what was not taken, as OpenSSL asks for.
  return {status_of(result.status), result.bytes, session_->wants_write()};
}

net::Io::Status TlsStream::end_write() {
  if (session_->shutdown().status == tls::Io::WouldBlock) return net::Io::Status::Again;
  return net::Stream::end_write();
}

}  // namespace mesh::transport

// ClientCodec: HTTP/1.1 towards an upstream, sans I/O (RFC 9112).
//
// One request at a time, never pipelined. Bytes that come while no request is
// open, or behind a complete response, are an error: they could be taken for
// the next response. A response with both Content-Length and Transfer-Encoding,
// or with any other doubt about its length, is an error too.
#pragma once

#include <memory>

#include "http/codec.h"
#include "http/limits.h"

namespace mesh::http1 {

class ClientExchange;

class ClientCodec final : public http::ClientCodec {
 public:
  // The sink and the buffer given to receive() outlive the codec.
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
  // Also after an exchange that leaves the connection in doubt: not to be
  // reused, close it.
  bool finished() const override;
  size_t open_streams() const override;
  http::Protocol protocol() const override;

 private:
  std::unique_ptr<ClientExchange> exchange_;
};

}  // namespace mesh::http1

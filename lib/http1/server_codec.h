// ServerCodec: HTTP/1.0 and HTTP/1.1 towards a client, sans I/O (RFC 9112).
//
// One exchange at a time; pipelined requests wait in the read buffer. The head
// is parsed where it was received and stays pinned there until its stream is
// closed. Whatever two parsers could read differently is answered with 400 (or
// 413, 414, 431, 501, 505) and the end of the connection; nothing is repaired.
// CONNECT is answered with 501 and Upgrade with 403, except that the offer
// "Upgrade: h2c" is ignored, as RFC 9110 section 7.8 allows.
#pragma once

#include <memory>
#include <string_view>

#include "http/codec.h"
#include "http/limits.h"

namespace mesh::http1 {

class ServerExchange;

class ServerCodec final : public http::Codec {
 public:
  // `scheme` ("http" or "https", static) is that of requests in origin-form.
  // Sink, handler and the buffer given to receive() outlive the codec.
  ServerCodec(http::ByteSink& sink, http::ServerHandler& handler, std::string_view scheme,
              const http::Limits& limits = {});
  ~ServerCodec() override;

  Result<void> receive(http::ReadBuffer& buffer) override;
  void receive_eof() override;
  bool wants_bytes() const override;
  void produce() override;
  void on_sink_drained() override;
  // The open exchange's response says "Connection: close"; an idle connection
  // is finished at once.
  void drain() override;
  bool finished() const override;
  size_t open_streams() const override;
  http::Protocol protocol() const override;

 private:
  std::unique_ptr<ServerExchange> exchange_;
};

}  // namespace mesh::http1

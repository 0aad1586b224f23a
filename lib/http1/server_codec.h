// ServerCodec: HTTP/1.0 and HTTP/1.1 towards a client, sans I/O (RFC 9112).
//
// One exchange at a time; pipelined requests wait in the read buffer. The head
// is parsed where it was received and stays pinned there until its stream is
// closed. Whatever two parsers could read differently is answered with 400 (or
// 413, 414, 431, 501, 505) and the end of the connection; nothing is repaired.
// The offer "Upgrade: h2c" is ignored, as RFC 9110 section 7.8 allows.
#pragma once

#include <string_view>

#include "http/codec.h"
#include "http/limits.h"
#include "http1/exchange.h"

namespace mesh::http1 {

class ServerCodec final : public http::Codec, private Exchange {
 public:
  // `scheme` ("http" or "https", static) is that of requests in origin-form.
  // Sink, handler and the buffer given to receive() outlive the codec.
  ServerCodec(http::ByteSink& sink, http::ServerHandler& handler, std::string_view scheme,
              const http::Limits& limits = {});
  ~ServerCodec() override;

  Result<void> receive(http::ReadBuffer& buffer) override;
  // A client that ends its side while a response is due has gone: the stream
  // ends with on_reset(ConnectionLost), as in Envoy.
  void receive_eof() override;
  void connection_lost() override;
  bool half_open() const override { return tunnelling(); }
  bool wants_bytes() const override;
  Eof paused_eof() const override {
    if (tunnelling()) return Eof::Later;
    return held() ? Eof::Now : Eof::Drained;
  }
  bool midway() const override { return midway_in(); }
  bool peer_waits() const override { return open_ && in_ == Part::Done; }
  bool said_all() const override { return finished_ && !open_ && out_ != Part::Body; }
  void produce() override;
  void on_sink_drained() override { sink_drained(); }
  // The open exchange's response says "Connection: close"; an idle connection
  // is finished at once.
  void drain() override;
  bool finished() const override { return finished_; }
  bool cut_short() const override { return out_ == Part::Body && writer_.until_close(); }
  size_t open_streams() const override { return open_ ? 1 : 0; }
  http::Protocol protocol() const override { return head_.protocol; }

 private:
  // http::Stream
  void send_response_head(const http::ResponseHead& head, bool end) override;
  void send_informational(const http::ResponseHead& head) override;

  // Exchange
  void on_sent_all() override;
  Outcome step() override;
  void settle_eof() override;

  Outcome read_request();
  // Sends the answer to what asked for a tunnel.
  void answer_tunnel(const http::ResponseHead& head, bool end);
  void complete();
  Result<void> refuse(const Outcome& outcome);

  http::ServerHandler& handler_of_streams_;
  const std::string_view scheme_;
  http::RequestHead head_;
  Framing framing_;
  bool head_request_ = false;
  bool skipped_line_ = false;  // one blank line before a request is allowed
  bool discarding_ = false;    // the rest of a request whose response is complete
  size_t discard_left_ = 0;
};

}  // namespace mesh::http1

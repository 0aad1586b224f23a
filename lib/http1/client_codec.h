// ClientCodec: HTTP/1.1 towards an upstream, sans I/O (RFC 9112).
//
// One request at a time, never pipelined. Bytes that come while no request is
// open, or behind a complete response, are an error: they could be taken for
// the next response. A response with both Content-Length and Transfer-Encoding,
// or with any other doubt about its length, is an error too.
#pragma once

#include <string>

#include "http/codec.h"
#include "http/limits.h"
#include "http1/exchange.h"

namespace mesh::http1 {

class ClientCodec final : public http::ClientCodec, private Exchange {
 public:
  // The sink and the buffer given to receive() outlive the codec.
  explicit ClientCodec(http::ByteSink& sink, const http::Limits& limits = {});
  ~ClientCodec() override;

  http::Stream* open(http::StreamHandler& handler) override;
  size_t capacity() const override { return open_ || finished_ || draining_ ? 0 : 1; }

  Result<void> receive(http::ReadBuffer& buffer) override;
  void receive_eof() override;
  void connection_lost() override;
  bool half_open() const override { return tunnelling(); }
  bool wants_bytes() const override;
  Eof paused_eof() const override { return held() ? Eof::Later : Eof::Drained; }
  bool midway() const override { return midway_in(); }
  void produce() override;
  void on_sink_drained() override { sink_drained(); }
  void drain() override;
  // Also after an exchange that leaves the connection in doubt: not to be
  // reused, close it.
  bool finished() const override { return finished_; }
  size_t open_streams() const override { return open_ ? 1 : 0; }
  http::Protocol protocol() const override { return http::Protocol::Http11; }

 private:
  static constexpr int kInformationalMax = 16;

  // http::Stream
  void send_request_head(const http::RequestHead& head, bool end) override;

  // Exchange
  void on_sent_all() override;
  Outcome step() override;
  void settle_eof() override;

  Outcome read_response();
  Outcome read_informational(const Outcome& outcome);
  // Whether `head_` accepts the tunnel that was asked for; Bad: it pretends to.
  Outcome judge_tunnel(bool& accepted);
  // Decides how the body of `head_` ends (RFC 9112 section 6.3).
  Outcome frame_body();

  // The last event of the response was delivered.
  void complete();
  Result<void> fail(const Outcome& outcome);

  http::ResponseHead head_;
  Framing framing_;
  std::string upgrade_;  // asked for
  bool head_request_ = false;
  int informational_count_ = 0;
};

}  // namespace mesh::http1

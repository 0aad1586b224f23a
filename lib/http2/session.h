// Session: one HTTP/2 connection over nghttp2, either side. The codecs are its
// two faces.
//
// nghttp2 calls back only from inside receive() and produce(); handlers may
// submit anything in an event, since submitting only queues. Streams end in
// nghttp2's close callback and nowhere else, so that no event runs on a stream
// that is being taken apart.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/codec.h"
#include "http/limits.h"
#include "http2/frame_watch.h"
#include "http2/stream.h"

namespace mesh::http2 {

class Session {
 public:
  // `handler` is the server's, null makes a client.
  Session(http::ByteSink& sink, http::ServerHandler* handler, const http::Limits& limits);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Of the codec.
  Result<void> receive(http::ReadBuffer& buffer);
  void receive_eof();
  void produce();
  void on_sink_drained();
  void drain();
  void ping();
  bool ping_unanswered() const { return ping_unanswered_; }
  bool finished() const;
  size_t open_streams() const { return open_.size(); }
  Stream* open(http::StreamHandler& handler);
  size_t capacity() const;

  // Of streams.
  void submit_request(Stream& stream, const http::RequestHead& head, bool end);
  void submit_response(Stream& stream, const http::ResponseHead& head, bool end);
  void submit_informational(Stream& stream, const http::ResponseHead& head);
  void data_ready(Stream& stream);
  void reset(Stream& stream, http::ResetReason reason);
  void resumed(Stream& stream);
  // `bytes` of what was received were taken; or are held back for a paused
  // handler: then the stream's window shrinks, and the connection's, which other
  // streams live on, only when much is held in all.
  void consumed(Stream& stream, size_t bytes);
  void hold(Stream& stream, size_t bytes);
  void consume_held(Stream& stream);

 private:
  friend struct Callbacks;  // and its Glue

  Stream& add_stream();
  void remove(Stream& stream);

  // Events of nghttp2.
  void on_field(Stream& stream, std::string_view name, std::string_view value);
  void on_request_field(Stream& stream, std::string_view name, std::string_view value);
  void on_head_done(Stream& stream, bool end);
  void on_request(Stream& stream, bool end);
  void on_response(Stream& stream, bool end);
  void on_end(Stream& stream, bool trailers);
  void on_response_end(Stream& stream);
  void on_stream_close(Stream& stream, uint32_t code);
  void on_end_sent(Stream& stream);
  void on_settings();
  void on_reset_sent(uint32_t code);
  void on_ping_ack(bool keepalive);

  // The sink's share of this turn is not full.
  bool may_write() const;
  void queue_request(Stream& stream, const http::RequestHead& head, bool end);
  void settle_tunnel(Stream& stream);
  void join_cookies(Stream& stream);
  uint16_t request_fault(const Stream& stream) const;
  void answer(Stream& stream, uint16_t status);
  void reset_and_tell(Stream& stream, http::ResetReason reason);
  void conclude(Stream& stream, uint32_t code);
  void deliver_resumed();
  void tell_room();
  void want_produce();
  // The connection is dead: every stream hears `reason`.
  void fail_streams(http::ResetReason reason);
  Result<void> fail(std::string why, http::ResetReason reason);
  void write_all();
  void add_nv(std::string_view name, std::string_view value);
  void add_status(uint16_t status);
  void add_fields(const http::Fields& fields, bool without_length = false);

  http::ByteSink& sink_;
  http::ServerHandler* const handler_;
  const http::Limits limits_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Stream>> streams_;  // all, open and pooled
  std::vector<Stream*> free_;
  std::vector<Stream*> open_;
  std::vector<Stream*> resumed_;    // to be told what was held back
  std::vector<Stream*> roomy_;      // to be told on_send_room
  std::vector<nghttp2_nv> nv_;      // of the head being submitted
  char status_digits_[3] = {};      // likewise
  std::vector<Stream*> unsettled_;  // extended CONNECT before the peer's SETTINGS
  std::string error_;               // nghttp2's words on what the peer did
  FrameWatch watch_;
  size_t held_bytes_ = 0;  // in all streams
  bool settled_ = false;   // the peer's SETTINGS came
  bool ping_unanswered_ = false;
  bool suspicious_ = false;  // nghttp2 complained since the last look
  bool wanted_ = false;      // want_produce() was called
  bool draining_ = false;
  bool goaway_sent_ = false;  // the one that names the last stream
  bool goaway_received_ = false;
  bool dead_ = false;
};

}  // namespace mesh::http2

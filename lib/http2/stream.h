// Stream: one HTTP/2 stream: the heads it received, the bytes that wait in
// either direction, who hears of it. Made, pooled and driven by its Session.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/codec.h"
#include "http2/arena.h"

namespace mesh::http2 {

class Session;

class Stream final : public http::Stream {
 public:
  explicit Stream(Session& session) : session_(session) {}  // outlives us

  void attach(http::StreamHandler* handler) override { handler_ = handler; }
  void send_request_head(const http::RequestHead& head, bool end) override;
  void send_response_head(const http::ResponseHead& head, bool end) override;
  void send_informational(const http::ResponseHead& head) override;
  void send_data(std::string_view bytes, bool end) override;
  void send_trailers(const http::Fields& trailers) override;
  void reset(http::ResetReason reason) override;
  size_t buffered() const override { return out_.size() - out_taken_; }
  void pause() override { paused_ = true; }
  void resume() override;

 private:
  friend class Session;
  friend struct Callbacks;  // and its Glue

  void recycle();  // as new, memory kept
  // What arrived: to the handler, or held back while it pauses.
  void receive_data(std::string_view bytes);
  void receive_end(bool trailers);
  void deliver_held();
  // No direction waits for the other's end any more.
  bool complete(bool server) const {
    if (tunnel_ == Tunnel::Open) return end_sent_ && end_received_;
    return server ? end_sent_ : end_received_;
  }
  bool holding() const { return !held_.empty() || held_end_ || held_trailers_; }

  Session& session_;
  http::StreamHandler* handler_ = nullptr;
  int32_t id_ = -1;   // -1: a client's, before its head was sent
  size_t index_ = 0;  // in the session's list of open streams

  // Received.
  Arena arena_;
  http::RequestHead request_;
  http::ResponseHead response_;
  http::Fields trailers_;
  size_t head_bytes_ = 0;  // of the head being received, as limits count
  size_t head_fields_ = 0;
  size_t cookies_ = 0;  // cookie fields in request_
  int informational_ = 0;
  enum class Tunnel : uint8_t { None, Asked, Open } tunnel_ = Tunnel::None;
  uint16_t fault_ = 0;          // status that answers the head instead of the handler
  bool head_received_ = false;  // the final one
  bool end_received_ = false;
  bool paused_ = false;
  std::string held_;      // data held back: at most a stream window
  size_t held_owed_ = 0;  // of it, what the connection's window lacks
  bool held_end_ = false;
  bool held_trailers_ = false;

  // Sent.
  std::string out_;  // [out_taken_, end) is not in a frame yet
  size_t out_taken_ = 0;
  http::Fields out_trailers_;  // in out_arena_
  Arena out_arena_;
  bool head_sent_ = false;
  bool end_given_ = false;  // by the handler
  bool end_sent_ = false;   // on the wire
  bool deferred_ = false;   // nghttp2 waits for resume_data
  bool blocked_ = false;    // passed the high mark

  bool closed_ = false;  // nothing may be sent, nor told, any more
  // Closed by nghttp2 while data was held back for a paused handler.
  bool concluding_ = false;
  uint32_t close_code_ = 0;
};

}  // namespace mesh::http2

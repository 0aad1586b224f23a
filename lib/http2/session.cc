#include "http2/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "http2/callbacks.h"
#include "http2/memory.h"

namespace mesh::http2 {
namespace {

using http::ResetReason;

// What one turn puts before the socket: four TLS records.
constexpr size_t kShareBytes = 64 * 1024;
constexpr uint32_t kTableBytes = 4096;  // HTTP/2's default
// What paused streams hold back may be so much before the connection's window
// shrinks by it: until then no stream waits for another's reader.
constexpr size_t kHeldBytesMax = 4 * 1024 * 1024;
constexpr uint8_t kKeepalive[8] = {'k', 'e', 'e', 'p', 'a', 'l', 'i', 'v'};

ResetReason reason_of(uint32_t code) {
  switch (code) {
    case NGHTTP2_NO_ERROR:
    case NGHTTP2_CANCEL: return ResetReason::Cancelled;
    case NGHTTP2_REFUSED_STREAM: return ResetReason::Refused;
    case NGHTTP2_INTERNAL_ERROR: return ResetReason::InternalError;
    case NGHTTP2_ENHANCE_YOUR_CALM: return ResetReason::LimitExceeded;
    default: return ResetReason::ProtocolError;
  }
}

uint32_t code_of(ResetReason reason) {
  switch (reason) {
    case ResetReason::Cancelled:
    case ResetReason::ConnectionLost: return NGHTTP2_CANCEL;
    case ResetReason::Refused: return NGHTTP2_REFUSED_STREAM;
    case ResetReason::ProtocolError: return NGHTTP2_PROTOCOL_ERROR;
    case ResetReason::InternalError: return NGHTTP2_INTERNAL_ERROR;
    case ResetReason::LimitExceeded: return NGHTTP2_ENHANCE_YOUR_CALM;
  }
  return NGHTTP2_INTERNAL_ERROR;
}

}  // namespace

Session::Session(http::ByteSink& sink, http::ServerHandler* handler, const http::Limits& limits)
    : sink_(sink), handler_(handler), limits_(limits), watch_(limits_.http2, handler != nullptr) {
  const http::Http2Options& http2 = limits_.http2;
  nghttp2_option* option = nullptr;
  MESH_CHECK(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_deflate_dynamic_table_size(option, http2.table_bytes);
  nghttp2_option_set_max_outbound_ack(option, http2.outbound_control_frames_max);
  const auto make = handler_ ? nghttp2_session_server_new3 : nghttp2_session_client_new3;
  const int made = make(&session_, Callbacks::all(), this, option, memory());
  nghttp2_option_del(option);
  MESH_CHECK(made == 0);
  std::array<nghttp2_settings_entry, 5> settings = {{
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, http2.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, uint32_t(limits_.head_bytes_max)},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
  }};
  size_t count = 3;
  if (handler_) settings[2] = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, http2.streams_max};
  if (handler_ && http2.allow_connect)
    settings[count++] = {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
  if (http2.table_bytes != kTableBytes)
    settings[count++] = {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, http2.table_bytes};
  MESH_CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), count) == 0);
  MESH_CHECK(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                                   int32_t(http2.connection_window_bytes)) == 0);
  want_produce();
}

Session::~Session() { nghttp2_session_del(session_); }

Result<void> Session::receive(http::ReadBuffer& buffer) {
  const std::span<char> in = buffer.unread();
  if (dead_) return Error{Errc::Closed, "the connection has ended"};
  const bool calm = watch_.note({in.data(), in.size()});
  const ssize_t n =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(in.data()), in.size());
  buffer.consume(in.size());
  buffer.release_if_empty();
  if (n < 0) {
    const bool flood = n == NGHTTP2_ERR_FLOODED || n == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
    nghttp2_session_terminate_session(session_,
                                      flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
    return fail(nghttp2_strerror(int(n)), ResetReason::ProtocolError);
  }
  // What a peer that takes nothing makes us queue: data waits elsewhere.
  const size_t queued = nghttp2_session_get_outbound_queue_size(session_);
  if (queued > limits_.http2.outbound_frames_max ||
      queued > limits_.http2.outbound_control_frames_max + 2 * open_.size())
    watch_.condemn("too many frames wait for a peer that reads none");
  if (!calm || !watch_.why().empty()) {
    nghttp2_session_terminate_session(session_, watch_.code());
    return fail(std::string(watch_.why()), watch_.code() == FrameWatch::kCalm
                                               ? ResetReason::LimitExceeded
                                               : ResetReason::ProtocolError);
  }
  if (std::exchange(suspicious_, false)) {
    // nghttp2 may have ended the connection: its GOAWAY goes out now.
    write_all();
    if (nghttp2_session_want_read(session_) == 0) return fail(error_, ResetReason::ProtocolError);
  }
  want_produce();
  return {};
}

Result<void> Session::fail(std::string why, ResetReason reason) {
  write_all();
  dead_ = true;
  fail_streams(reason);
  return Error{Errc::Invalid, why.empty() ? "HTTP/2 protocol error" : std::move(why)};
}

void Session::receive_eof() {
  dead_ = true;
  fail_streams(ResetReason::ConnectionLost);
}

// Handlers may do anything to other streams meanwhile; none is freed, since
// nghttp2 is not run any more.
void Session::fail_streams(ResetReason reason) {
  for (size_t i = 0; i < streams_.size(); ++i) {
    Stream& stream = *streams_[i];
    stream.closed_ = true;
    if (http::StreamHandler* const handler = std::exchange(stream.handler_, nullptr))
      handler->on_reset(reason);
  }
  open_.clear();
}

void Session::produce() {
  wanted_ = false;
  if (dead_) return;
  deliver_resumed();
  write_all();
  tell_room();
  if (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0) {
    dead_ = true;
    fail_streams(ResetReason::ConnectionLost);
  }
}

bool Session::may_write() const { return sink_.pending() < kShareBytes; }

void Session::write_all() {
  while (may_write()) {
    const uint8_t* bytes = nullptr;
    const ssize_t n = nghttp2_session_mem_send(session_, &bytes);
    if (n < 0) dead_ = true;  // out of memory, or a callback of ours failed
    if (n <= 0) break;
    sink_.write({reinterpret_cast<const char*>(bytes), size_t(n)});
  }
  if (dead_) fail_streams(ResetReason::InternalError);
}

void Session::on_sink_drained() {
  if (!dead_ && nghttp2_session_want_write(session_) != 0) want_produce();
}

void Session::want_produce() {
  if (std::exchange(wanted_, true)) return;
  sink_.want_produce();
}

void Session::drain() {
  if (std::exchange(draining_, true) || dead_) return;
  if (handler_) {
    // RFC 9113 section 6.8: a first GOAWAY that refuses nothing, and when the
    // peer has seen it, the one that names the last stream.
    nghttp2_submit_shutdown_notice(session_);
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  } else {
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
    goaway_sent_ = true;
  }
  want_produce();
}

void Session::on_ping_ack(bool keepalive) {
  if (keepalive) {
    ping_unanswered_ = false;
    return;
  }
  if (!draining_ || goaway_sent_) return;
  goaway_sent_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
  want_produce();
}

void Session::ping() {
  if (dead_ || std::exchange(ping_unanswered_, true)) return;
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kKeepalive);
  want_produce();
}

bool Session::finished() const {
  if (dead_) return true;
  if (!open_.empty()) return false;
  if (goaway_received_ && !handler_) return true;
  return draining_ && goaway_sent_ && nghttp2_session_want_write(session_) == 0;
}

Stream& Session::add_stream() {
  if (free_.empty()) {
    streams_.push_back(std::make_unique<Stream>(*this));
    free_.push_back(streams_.back().get());
  }
  Stream& stream = *free_.back();
  free_.pop_back();
  stream.index_ = open_.size();
  open_.push_back(&stream);
  watch_.stream_opened();
  return stream;
}

void Session::remove(Stream& stream) {
  open_.back()->index_ = stream.index_;
  open_[stream.index_] = open_.back();
  open_.pop_back();
  stream.recycle();
  free_.push_back(&stream);
}

Stream* Session::open(http::StreamHandler& handler) {
  if (capacity() == 0) return nullptr;
  Stream& stream = add_stream();
  stream.handler_ = &handler;
  return &stream;
}

size_t Session::capacity() const {
  if (dead_ || draining_ || goaway_received_ ||
      nghttp2_session_check_request_allowed(session_) == 0)
    return 0;
  const size_t most =
      nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  // "No limit" of the peer's is not ours: an exchange costs memory here too.
  const size_t allowed = std::min<size_t>(most, limits_.http2.streams_max);
  return allowed > open_.size() ? allowed - open_.size() : 0;
}

void Session::reset(Stream& stream, ResetReason reason) {
  stream.handler_ = nullptr;
  if (dead_) return;
  if (stream.closed_) return resumed(stream);  // concluded there
  if (stream.id_ < 0) {                        // nothing was sent for it
    std::erase(unsettled_, &stream);
    return remove(stream);
  }
  stream.closed_ = true;
  consume_held(stream);
  stream.held_.clear();
  stream.held_end_ = stream.held_trailers_ = false;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id_, code_of(reason));
  want_produce();
}

void Session::consumed(Stream& stream, size_t bytes) {
  if (bytes == 0 || dead_) return;
  nghttp2_session_consume(session_, stream.id_, bytes);
  want_produce();
}

void Session::hold(Stream& stream, size_t bytes) {
  held_bytes_ += bytes;
  if (dead_) return;
  if (held_bytes_ > kHeldBytesMax) {
    stream.held_owed_ += bytes;
    return;
  }
  nghttp2_session_consume_connection(session_, bytes);
  want_produce();
}

// Before held_ is emptied.
void Session::consume_held(Stream& stream) {
  const size_t bytes = stream.held_.size();
  held_bytes_ -= bytes;
  const size_t owed = std::exchange(stream.held_owed_, 0);
  if (bytes == 0 || dead_) return;
  if (owed > 0) nghttp2_session_consume_connection(session_, owed);
  nghttp2_session_consume_stream(session_, stream.id_, bytes);
  want_produce();
}

void Session::resumed(Stream& stream) {
  resumed_.push_back(&stream);
  want_produce();
}

void Session::deliver_resumed() {
  for (size_t i = 0; i < resumed_.size(); ++i) {  // grows while handlers run
    Stream& stream = *resumed_[i];
    if (stream.index_ >= open_.size() || open_[stream.index_] != &stream) continue;
    stream.deliver_held();
    if (stream.concluding_ && !(stream.handler_ && stream.holding()))
      conclude(stream, stream.close_code_);
    if (dead_) break;
  }
  resumed_.clear();
}

void Session::tell_room() {
  for (size_t i = 0; i < roomy_.size(); ++i)
    if (roomy_[i]->handler_) roomy_[i]->handler_->on_send_room();
  roomy_.clear();
}

void Session::on_end_sent(Stream& stream) {
  stream.end_sent_ = true;
  // RFC 9113 section 8.1: the response is complete, the rest is not wanted.
  if (handler_ && !stream.end_received_ && !stream.closed_ &&
      stream.tunnel_ != Stream::Tunnel::Open)
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id_, NGHTTP2_NO_ERROR);
}

void Session::on_stream_close(Stream& stream, uint32_t code) {
  // A complete response waits for a handler that pauses; all else is over now.
  const bool owed = !handler_ || stream.tunnel_ == Stream::Tunnel::Open;
  const bool waits = owed && stream.end_received_ && stream.handler_ && stream.holding();
  if (waits) {
    stream.closed_ = stream.concluding_ = true;
    stream.close_code_ = code;
    return;
  }
  conclude(stream, code);
}

void Session::conclude(Stream& stream, uint32_t code) {
  const bool complete = stream.complete(handler_ != nullptr) && code != NGHTTP2_REFUSED_STREAM;
  stream.closed_ = true;
  consume_held(stream);
  stream.held_.clear();
  http::StreamHandler* const handler = std::exchange(stream.handler_, nullptr);
  if (complete)
    watch_.stream_done();
  else if (stream.head_sent_)
    watch_.forgive_reset();
  if (handler && complete) handler->on_closed();
  if (handler && !complete) handler->on_reset(reason_of(code));
  // Its views were good until here.
  if (!dead_) remove(stream);
}

}  // namespace mesh::http2

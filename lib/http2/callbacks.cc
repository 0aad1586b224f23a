#include "http2/callbacks.h"

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "http2/session.h"

namespace mesh::http2 {

// The glue: finds session and stream, and calls their methods. None of it may
// throw through nghttp2; only std::bad_alloc could, which ends the process.
struct Callbacks::Glue {
  static Session& session_of(void* user) { return *static_cast<Session*>(user); }
  static Stream* stream_of(nghttp2_session* session, int32_t id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      Stream& stream = session_of(user).add_stream();
      stream.id_ = frame->hd.stream_id;
      nghttp2_session_set_stream_user_data(session, stream.id_, &stream);
    } else if (Stream* stream = stream_of(session, frame->hd.stream_id)) {
      stream->head_bytes_ = stream->head_fields_ = 0;
    }
    return 0;
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_bytes, const uint8_t* value, size_t value_bytes, uint8_t,
                       void* user) {
    if (Stream* stream = stream_of(session, frame->hd.stream_id))
      session_of(user).on_field(*stream, {reinterpret_cast<const char*>(name), name_bytes},
                                {reinterpret_cast<const char*>(value), value_bytes});
    return 0;
  }

  // nghttp2 would drop the field and go on; a message with it is malformed.
  static int on_invalid_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t*,
                               size_t, const uint8_t*, size_t, uint8_t, void*) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                              NGHTTP2_PROTOCOL_ERROR);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int on_frame_recv(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Session& self = session_of(user);
    const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (Stream* stream = stream_of(session, frame->hd.stream_id))
          self.on_head_done(*stream, end);
        break;
      case NGHTTP2_DATA:
        if (!end) break;
        if (Stream* stream = stream_of(session, frame->hd.stream_id)) self.on_end(*stream, false);
        break;
      case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK) self.on_ping_ack(frame->ping.opaque_data[0] != 0);
        break;
      case NGHTTP2_SETTINGS:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK)) self.on_settings();
        break;
      case NGHTTP2_GOAWAY: self.goaway_received_ = true; break;
      default: break;
    }
    return 0;
  }

  static int on_data_chunk(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data,
                           size_t bytes, void* user) {
    Stream* const stream = stream_of(session, id);
    if (stream)
      stream->receive_data({reinterpret_cast<const char*>(data), bytes});
    else
      nghttp2_session_consume(session, id, bytes);
    session_of(user).want_produce();
    return 0;
  }

  static int on_stream_close(nghttp2_session* session, int32_t id, uint32_t code, void* user) {
    if (Stream* stream = stream_of(session, id)) session_of(user).on_stream_close(*stream, code);
    return 0;
  }

  static int on_frame_send(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_RST_STREAM)
      session_of(user).on_reset_sent(frame->rst_stream.error_code);
    const bool ends = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (!ends || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    if (Stream* stream = stream_of(session, frame->hd.stream_id))
      session_of(user).on_end_sent(*stream);
    return 0;
  }

  static int on_invalid_frame(nghttp2_session*, const nghttp2_frame*, int error, void* user) {
    session_of(user).error_ = nghttp2_strerror(error);
    session_of(user).suspicious_ = true;
    return 0;
  }

  static int on_error(nghttp2_session*, int, const char* text, size_t bytes, void* user) {
    session_of(user).error_.assign(text, std::min<size_t>(bytes, 200));
    session_of(user).suspicious_ = true;
    return 0;
  }

  // How much of the queue goes into the next DATA frame; the bytes themselves
  // are written by send_data, without a copy in between.
  static ssize_t read_data(nghttp2_session* session, int32_t id, uint8_t*, size_t most,
                           uint32_t* flags, nghttp2_data_source* source, void*) {
    Stream& stream = *static_cast<Stream*>(source->ptr);
    const size_t waiting = stream.buffered();
    if (waiting == 0 && !stream.end_given_) {
      stream.deferred_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    const size_t n = std::min(waiting, most);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n < waiting || !stream.end_given_) return ssize_t(n);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream.out_trailers_.empty()) return ssize_t(n);
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    Session& self = stream.session_;
    self.nv_.clear();
    self.add_fields(stream.out_trailers_);
    if (nghttp2_submit_trailer(session, id, self.nv_.data(), self.nv_.size()) != 0)
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return ssize_t(n);
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const uint8_t* head, size_t bytes,
                       nghttp2_data_source* source, void* user) {
    Session& self = session_of(user);
    if (!self.may_write()) return NGHTTP2_ERR_WOULDBLOCK;
    Stream& stream = *static_cast<Stream*>(source->ptr);
    constexpr size_t kHeadBytes = 9;
    self.sink_.write({reinterpret_cast<const char*>(head), kHeadBytes});
    if (bytes > 0) self.sink_.write({stream.out_.data() + stream.out_taken_, bytes});
    stream.out_taken_ += bytes;
    self.watch_.data_sent();
    if (stream.blocked_ && stream.buffered() <= http::Stream::kBufferedLow) {
      stream.blocked_ = false;
      self.roomy_.push_back(&stream);
    }
    return 0;
  }

  static const nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* table = nullptr;
    MESH_CHECK(nghttp2_session_callbacks_new(&table) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(table, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(table, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(table, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(table, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(table, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(table, on_frame_send);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(table, on_invalid_frame);
    nghttp2_session_callbacks_set_error_callback2(table, on_error);
    nghttp2_session_callbacks_set_send_data_callback(table, send_data);
    return table;
  }
};

const nghttp2_session_callbacks* Callbacks::all() {
  static const nghttp2_session_callbacks* const table = Glue::make();
  return table;
}

nghttp2_data_source_read_callback Callbacks::data_reader() { return Glue::read_data; }

}  // namespace mesh::http2

#include "http2/stream.h"

#include <utility>

#include "base/check.h"
#include "http2/session.h"

namespace mesh::http2 {
namespace {

// Memory that a large body left behind does not stay with a pooled stream.
constexpr size_t kKeptBytesMax = 64 * 1024;

void empty(std::string& buffer) {
  if (buffer.capacity() > kKeptBytesMax)
    std::string().swap(buffer);
  else
    buffer.clear();
}

}  // namespace

void Stream::recycle() {
  handler_ = nullptr;
  id_ = -1;
  arena_.clear();
  request_.clear();
  response_.clear();
  trailers_.clear();
  head_bytes_ = head_fields_ = cookies_ = 0;
  informational_ = 0;
  fault_ = 0;
  head_received_ = end_received_ = paused_ = false;
  tunnel_ = Tunnel::None;
  empty(held_);
  held_owed_ = 0;
  held_end_ = held_trailers_ = false;
  empty(out_);
  out_taken_ = 0;
  out_trailers_.clear();
  out_arena_.clear();
  head_sent_ = end_given_ = end_sent_ = deferred_ = blocked_ = false;
  closed_ = concluding_ = false;
  close_code_ = 0;
}

void Stream::send_request_head(const http::RequestHead& head, bool end) {
  if (closed_) return;
  MESH_CHECK(!head_sent_);
  head_sent_ = true;
  end_given_ = end;
  session_.submit_request(*this, head, end);
}

void Stream::send_response_head(const http::ResponseHead& head, bool end) {
  if (closed_) return;
  MESH_CHECK(!head_sent_);
  head_sent_ = true;
  end_given_ = end;
  session_.submit_response(*this, head, end);
}

void Stream::send_informational(const http::ResponseHead& head) {
  if (closed_) return;
  MESH_CHECK(!head_sent_);
  session_.submit_informational(*this, head);
}

void Stream::send_data(std::string_view bytes, bool end) {
  if (closed_) return;
  MESH_CHECK(head_sent_ && !end_given_);
  if (out_taken_ == out_.size()) {
    out_.clear();
    out_taken_ = 0;
  } else if (out_taken_ > kBufferedHigh) {
    out_.erase(0, out_taken_);
    out_taken_ = 0;
  }
  out_.append(bytes);
  end_given_ = end;
  if (buffered() > kBufferedHigh) blocked_ = true;
  session_.data_ready(*this);
}

void Stream::send_trailers(const http::Fields& trailers) {
  if (closed_) return;
  MESH_CHECK(head_sent_ && !end_given_);
  for (const http::Field& field : trailers)
    out_trailers_.add(out_arena_.copy(field.name), out_arena_.copy(field.value));
  end_given_ = true;
  session_.data_ready(*this);
}

void Stream::reset(http::ResetReason reason) { session_.reset(*this, reason); }

void Stream::resume() {
  if (!std::exchange(paused_, false)) return;
  if (holding()) session_.resumed(*this);
}

void Stream::receive_data(std::string_view bytes) {
  if (handler_ && (paused_ || holding())) {
    held_.append(bytes);
    return session_.hold(*this, bytes.size());
  }
  if (handler_) handler_->on_data(bytes, false);
  session_.consumed(*this, bytes.size());
}

void Stream::receive_end(bool trailers) {
  end_received_ = true;
  if (handler_ && (paused_ || holding())) {
    (trailers ? held_trailers_ : held_end_) = true;
    return;
  }
  if (!handler_) return;
  if (trailers)
    handler_->on_trailers(trailers_);
  else
    handler_->on_data({}, true);
}

void Stream::deliver_held() {
  if (paused_ || !holding()) return;
  // The handler may pause again, or reset, inside: take what is told first.
  const size_t bytes = held_.size();
  session_.consume_held(*this);
  const bool trailers = std::exchange(held_trailers_, false);
  const bool end = std::exchange(held_end_, false);
  std::string data;
  data.swap(held_);
  if (handler_ && (end || bytes > 0)) handler_->on_data(data, end);
  if (!trailers || !handler_) return;
  if (paused_)
    held_trailers_ = true;
  else
    handler_->on_trailers(trailers_);
}

}  // namespace mesh::http2

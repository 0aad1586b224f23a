// Session, the part that turns heads into fields of nghttp2 and back.

#include <algorithm>
#include <charconv>
#include <utility>

#include "http/authority.h"
#include "http/syntax.h"
#include "http2/callbacks.h"
#include "http2/session.h"

namespace mesh::http2 {
namespace {

using http::ResetReason;

constexpr int kInformationalMax = 16;
// Fields this far over the limit are no mistake.
constexpr size_t kBombFactor = 16;
constexpr size_t kFieldOverhead = 32;  // RFC 9113 section 6.5.2

// Values that are new with each request only turn the table over, and make its search
// longer: sent as literals.
bool ever_new(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 10: return name == "tracestate";
    case 11: return name == "traceparent" || name == "x-b3-spanid";
    case 12: return name == "x-request-id" || name == "x-b3-traceid";
    case 29: return name == "x-envoy-upstream-service-time" && value.size() > 1;  // 0 to 9 recur
    default: return false;
  }
}

std::optional<uint64_t> content_length(const http::Fields& fields) {
  const auto value = fields.get("content-length");
  return value ? http::parse_content_length(*value) : std::nullopt;
}

}  // namespace

void Session::on_field(Stream& stream, std::string_view name, std::string_view value) {
  stream.head_bytes_ += name.size() + value.size() + kFieldOverhead;
  ++stream.head_fields_;
  const size_t bytes_max =
      stream.head_received_ ? limits_.trailer_bytes_max : limits_.head_bytes_max;
  if (stream.head_bytes_ > bytes_max || stream.head_fields_ > limits_.fields_max + 4) {
    stream.fault_ = 431;  // the rest is decoded, since the table needs it, and dropped
    if (stream.head_bytes_ > kBombFactor * bytes_max) watch_.condemn("flood of fields");
    return;
  }
  if (stream.head_received_) {
    stream.trailers_.add(stream.arena_.copy(name), stream.arena_.copy(value));
  } else if (handler_) {
    on_request_field(stream, name, stream.arena_.copy(value));
  } else if (name == ":status") {
    std::from_chars(value.data(), value.data() + value.size(), stream.response_.status);
  } else {
    stream.response_.fields.add(stream.arena_.copy(name), stream.arena_.copy(value));
  }
}

// `value` is in the arena. That pseudo fields come first, once each, and in
// requests only, is nghttp2's check (RFC 9113 section 8.3).
void Session::on_request_field(Stream& stream, std::string_view name, std::string_view value) {
  http::RequestHead& head = stream.request_;
  if (name == ":method") {
    head.method = value;
  } else if (name == ":scheme") {
    head.scheme = value;
  } else if (name == ":authority") {
    head.authority = value;
  } else if (name == ":path") {
    head.path = value;
  } else if (name == ":protocol") {
    head.upgrade = value;
  } else if (name == "host") {
    // RFC 9113 section 8.3.1: one that differs from :authority is malformed.
    if (head.authority.empty())
      head.authority = value;
    else if (head.authority != value)
      stream.fault_ = 400;
  } else {
    if (name == "cookie") ++stream.cookies_;
    head.fields.add(stream.arena_.copy(name), value);
  }
}

// RFC 9113 section 8.2.3: crumbs are one field again before they leave HTTP/2.
void Session::join_cookies(Stream& stream) {
  if (stream.cookies_ < 2) return;
  size_t bytes = 0;
  for (const http::Field& field : stream.request_.fields)
    if (field.name == "cookie") bytes += field.value.size() + 2;
  char* const room = stream.arena_.take(bytes);
  char* to = room;
  for (const http::Field& field : stream.request_.fields) {
    if (field.name != "cookie") continue;
    if (to != room) to = std::copy_n("; ", 2, to);
    to = std::copy_n(field.value.data(), field.value.size(), to);
  }
  stream.request_.fields.set("cookie", {room, size_t(to - room)});
}

// What an HTTP/1 hop behind us could read differently, or 0.
uint16_t Session::request_fault(const Stream& stream) const {
  const http::RequestHead& head = stream.request_;
  if (stream.fault_ != 0) return stream.fault_;
  if (head.is_connect() && head.upgrade.empty())
    return http::valid_connect_authority(head.authority) ? 0 : 400;
  if (!head.upgrade.empty() && !http::valid_token(head.upgrade)) return 400;
  if (!http::valid_token(head.method) || (head.scheme != "http" && head.scheme != "https"))
    return 400;
  if (!http::valid_authority(head.authority) || !http::valid_target(head.path)) return 400;
  if (head.path[0] != '/' && !(head.path == "*" && head.method == "OPTIONS")) return 400;
  return 0;
}

void Session::on_head_done(Stream& stream, bool end) {
  if (stream.closed_) return;
  if (stream.head_received_) {
    if (stream.fault_ != 0) return reset_and_tell(stream, ResetReason::LimitExceeded);
    return on_end(stream, true);
  }
  if (handler_)
    on_request(stream, end);
  else
    on_response(stream, end);
}

void Session::on_request(Stream& stream, bool end) {
  stream.head_received_ = true;
  stream.end_received_ = end;
  if (const uint16_t fault = request_fault(stream)) return answer(stream, fault);
  join_cookies(stream);
  stream.request_.protocol = http::Protocol::Http2;
  stream.request_.content_length = content_length(stream.request_.fields);
  if (stream.request_.asks_tunnel()) {
    // Nothing but the tunnel comes behind the head; an end is no way to begin it.
    if (end || stream.request_.content_length) return answer(stream, 400);
    stream.tunnel_ = Stream::Tunnel::Asked;
    if (!stream.request_.upgrade.empty()) stream.request_.method = "GET";
  }
  http::StreamHandler* const handler = handler_->on_stream(stream);
  if (stream.closed_) return;  // reset already
  if (!handler) return reset(stream, ResetReason::Refused);
  stream.handler_ = handler;
  handler->on_request_head(stream.request_, end);
}

void Session::on_response(Stream& stream, bool end) {
  http::ResponseHead& head = stream.response_;
  if (stream.fault_ != 0) return reset_and_tell(stream, ResetReason::LimitExceeded);
  head.protocol = http::Protocol::Http2;
  if (head.status < 200) {
    // RFC 9113 section 8.6: 101 is not for HTTP/2.
    if (head.status == 101) return reset_and_tell(stream, ResetReason::ProtocolError);
    if (++stream.informational_ > kInformationalMax)
      return reset_and_tell(stream, ResetReason::ProtocolError);
    if (stream.handler_) stream.handler_->on_informational(head);
    head.clear();
    return;
  }
  stream.head_received_ = true;
  stream.end_received_ = end;
  if (stream.tunnel_ == Stream::Tunnel::Asked) settle_tunnel(stream);
  head.content_length = content_length(head.fields);
  if (stream.handler_) stream.handler_->on_response_head(head, end);
  if (end) on_response_end(stream);
}

// Success of an extended CONNECT reads as 101 (RFC 8441 section 5).
void Session::settle_tunnel(Stream& stream) {
  http::ResponseHead& head = stream.response_;
  stream.tunnel_ = head.status / 100 == 2 ? Stream::Tunnel::Open : Stream::Tunnel::None;
  if (stream.tunnel_ == Stream::Tunnel::None) return;
  head.fields.remove("content-length");
  if (stream.request_.upgrade.empty()) return;
  head.status = 101;
  head.upgrade = stream.request_.upgrade;
}

void Session::on_end(Stream& stream, bool trailers) {
  if (stream.closed_) return;
  stream.receive_end(trailers);
  if (!handler_) on_response_end(stream);
}

// The response is complete: the rest of the request is not sent.
void Session::on_response_end(Stream& stream) {
  if (stream.closed_ || stream.end_sent_ || stream.tunnel_ == Stream::Tunnel::Open) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id_, NGHTTP2_NO_ERROR);
  want_produce();
}

void Session::reset_and_tell(Stream& stream, ResetReason reason) {
  http::StreamHandler* const handler = stream.handler_;
  reset(stream, reason);
  if (handler) handler->on_reset(reason);
}

// Resets that a fault of the peer's makes us send are resets of its own doing.
void Session::on_reset_sent(uint32_t code) {
  switch (code) {
    case NGHTTP2_PROTOCOL_ERROR:
    case NGHTTP2_FLOW_CONTROL_ERROR:
    case NGHTTP2_STREAM_CLOSED:
    case NGHTTP2_FRAME_SIZE_ERROR:
    case NGHTTP2_ENHANCE_YOUR_CALM: watch_.stream_reset(); return;
    default: return;
  }
}

void Session::answer(Stream& stream, uint16_t status) {
  http::ResponseHead head;
  head.status = status;
  stream.send_response_head(head, true);
}

void Session::add_nv(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view s) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(s.data()));  // nghttp2 only reads
  };
  nv_.push_back({bytes(name), bytes(value), name.size(), value.size(),
                 uint8_t(ever_new(name, value) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)});
}

void Session::add_status(uint16_t status) {
  std::to_chars(status_digits_, status_digits_ + 3, status);
  nv_.clear();
  add_nv(":status", {status_digits_, 3});
}

void Session::add_fields(const http::Fields& fields, bool without_length) {
  for (const http::Field& field : fields) {
    if (without_length && field.name == "content-length") continue;
    if (http::is_hop_by_hop(field.name) && !(field.name == "te" && field.value == "trailers"))
      continue;
    add_nv(field.name, field.value);
  }
}

void Session::submit_request(Stream& stream, const http::RequestHead& head, bool end) {
  if (dead_) return;
  if (!head.asks_tunnel()) return queue_request(stream, head, end);
  stream.tunnel_ = Stream::Tunnel::Asked;
  stream.request_.upgrade = stream.arena_.copy(head.upgrade);  // for the answer
  if (head.upgrade.empty() || settled_) return queue_request(stream, head, end);
  // Whether the peer knows extended CONNECT, its SETTINGS will say.
  http::RequestHead& copy = stream.request_;
  copy.scheme = stream.arena_.copy(head.scheme);
  copy.authority = stream.arena_.copy(head.authority);
  copy.path = stream.arena_.copy(head.path);
  for (const http::Field& field : head.fields)
    copy.fields.add(stream.arena_.copy(field.name), stream.arena_.copy(field.value));
  unsettled_.push_back(&stream);
}

void Session::on_settings() {
  if (std::exchange(settled_, true)) return;
  for (Stream* const stream : std::exchange(unsettled_, {}))
    queue_request(*stream, stream->request_, stream->end_given_);
}

void Session::queue_request(Stream& stream, const http::RequestHead& head, bool end) {
  const bool extended = !head.upgrade.empty();
  const bool connect = head.is_connect();
  nv_.clear();
  add_nv(":method", extended ? "CONNECT" : head.method);
  if (extended) add_nv(":protocol", head.upgrade);
  if (!connect) add_nv(":scheme", head.scheme);
  add_nv(":authority", head.authority);
  if (!connect) add_nv(":path", head.path);
  add_fields(head.fields);
  const bool known = !extended || nghttp2_session_get_remote_settings(
                                      session_, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
  const nghttp2_data_provider body{{.ptr = &stream}, Callbacks::data_reader()};
  const int32_t id = known ? nghttp2_submit_request(session_, nullptr, nv_.data(), nv_.size(),
                                                    end ? nullptr : &body, &stream)
                           : -1;
  if (id < 0) {
    stream.closed_ = stream.concluding_ = true;
    stream.close_code_ = NGHTTP2_REFUSED_STREAM;
    return resumed(stream);
  }
  stream.id_ = id;
  want_produce();
}

void Session::submit_response(Stream& stream, const http::ResponseHead& head, bool end) {
  if (dead_) return;
  if (stream.tunnel_ == Stream::Tunnel::Asked) {
    const bool accepted =
        stream.request_.is_connect() ? head.status / 100 == 2 : head.status == 101;
    stream.tunnel_ = accepted ? Stream::Tunnel::Open : Stream::Tunnel::None;
  }
  const bool tunnel = stream.tunnel_ == Stream::Tunnel::Open;
  add_status(head.status == 101 ? uint16_t(200) : head.status);
  add_fields(head.fields, tunnel);
  const nghttp2_data_provider body{{.ptr = &stream}, Callbacks::data_reader()};
  nghttp2_submit_response(session_, stream.id_, nv_.data(), nv_.size(), end ? nullptr : &body);
  want_produce();
}

void Session::submit_informational(Stream& stream, const http::ResponseHead& head) {
  if (dead_) return;
  add_status(head.status);
  add_fields(head.fields);
  nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream.id_, nullptr, nv_.data(), nv_.size(),
                         nullptr);
  want_produce();
}

void Session::data_ready(Stream& stream) {
  if (dead_) return;
  if (stream.deferred_) {
    stream.deferred_ = false;
    nghttp2_session_resume_data(session_, stream.id_);
  }
  want_produce();
}

}  // namespace mesh::http2

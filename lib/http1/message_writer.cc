#include "http1/message_writer.h"

#include <charconv>
#include <cstring>
#include <string>

#include "http/status.h"
#include "http/syntax.h"

namespace mesh::http1 {
namespace {

using http::Field;
using http::Fields;

// From here on a copy into the sink costs more than a gathered write.
constexpr size_t kWriteThroughBytes = 4 * 1024;

char* put(char* to, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());  // may be null
  return to + bytes.size();
}

// Length of the field lines, and the Content-Length among them.
struct Measure {
  size_t bytes = 0;
  std::optional<uint64_t> content_length;
};

Measure measure(const Fields& fields) {
  Measure m;
  for (const Field& field : fields) {
    m.bytes += field.name.size() + field.value.size() + 4;
    if (field.name.size() == 14 && field.name == "content-length")
      m.content_length = http::parse_content_length(field.value);
  }
  return m;
}

// True when the field stands in memory as "name: value" and a line end, as a
// parser left it. The two bytes between are read only when the views are two
// apart, so they belong to the bytes received.
bool as_received(const Field& field) {
  const char* colon = field.name.data() + field.name.size();
  return field.value.data() == colon + 2 && colon[0] == ':' && colon[1] == ' ';
}

char* put_field(char* to, const Field& field) {
  to = put(to, field.name);
  to = put(to, ": ");
  to = put(to, field.value);
  return put(to, "\r\n");
}

// Writes all fields; those that are neighbours in memory in one piece.
char* put_fields(char* to, const Fields& fields, bool without_length) {
  const Field* run = nullptr;   // first of a run of neighbours
  const Field* last = nullptr;  // and its last
  const auto flush = [&] {
    if (!run) return;
    const char* begin = run->name.data();
    to = put(to, {begin, size_t(last->value.data() + last->value.size() - begin)});
    to = put(to, "\r\n");
    run = nullptr;
  };
  for (const Field& field : fields) {
    if (http::is_hop_by_hop(field.name) || (without_length && field.name == "content-length"))
      continue;
    if (!as_received(field)) {
      flush();
      to = put_field(to, field);
      continue;
    }
    const char* line_end = run ? last->value.data() + last->value.size() : nullptr;
    if (run && (field.name.data() != line_end + 2 || line_end[0] != '\r' || line_end[1] != '\n'))
      flush();
    if (!run) run = &field;
    last = &field;
  }
  flush();
  return to;
}

bool wants_length(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

}  // namespace

void MessageWriter::request_head(const http::RequestHead& head, bool end) {
  const Measure m = measure(head.fields);
  const size_t most = head.method.size() + head.path.size() + 2 * head.authority.size() +
                      head.upgrade.size() + m.bytes + 160;
  char* const begin = sink_.reserve(most);
  char* p = put(begin, head.method);
  *p++ = ' ';
  p = put(p, head.path.empty() ? head.authority : head.path);
  p = put(p, " HTTP/1.1\r\nhost: ");
  p = put(p, head.authority);
  p = put(p, "\r\n");
  const bool tunnel = head.asks_tunnel();
  p = put_fields(p, head.fields, tunnel);
  left_ = 0;
  if (tunnel) {
    body_ = Body::Length;  // of nothing, so far
    if (!head.upgrade.empty()) {
      p = put(p, "connection: upgrade\r\nupgrade: ");
      p = put(p, head.upgrade);
      p = put(p, "\r\n");
    }
  } else if (m.content_length) {
    body_ = Body::Length;
    left_ = *m.content_length;
  } else if (end) {
    body_ = Body::None;
    if (wants_length(head.method)) p = put(p, "content-length: 0\r\n");
  } else {
    body_ = Body::Chunked;
    p = put(p, "transfer-encoding: chunked\r\n");
  }
  p = put(p, "\r\n");
  sink_.commit(size_t(p - begin));
}

bool MessageWriter::response_head(const http::ResponseHead& head, bool end,
                                  const ResponseFraming& framing) {
  const Measure m = measure(head.fields);
  const std::string_view reason = http::reason_phrase(head.status);
  char* const begin = sink_.reserve(m.bytes + reason.size() + 128);
  char* p = put(begin, "HTTP/1.1 ");
  p = std::to_chars(p, p + 5, head.status).ptr;
  *p++ = ' ';
  p = put(p, reason);
  p = put(p, "\r\n");
  p = put_fields(p, head.fields, head.status == 204);
  left_ = 0;
  bool close = framing.close;
  if (framing.bodiless) {
    body_ = Body::None;
  } else if (m.content_length) {
    body_ = Body::Length;
    left_ = *m.content_length;
  } else if (end) {
    body_ = Body::None;
    p = put(p, "content-length: 0\r\n");
  } else if (framing.http10) {
    body_ = Body::UntilClose;
    close = true;
  } else {
    body_ = Body::Chunked;
    p = put(p, "transfer-encoding: chunked\r\n");
  }
  if (close)
    p = put(p, "connection: close\r\n");
  else if (framing.say_keep_alive)
    p = put(p, "connection: keep-alive\r\n");
  p = put(p, "\r\n");
  sink_.commit(size_t(p - begin));
  return body_ == Body::UntilClose;
}

void MessageWriter::bodiless_head(const http::ResponseHead& head, std::string_view more) {
  const Measure m = measure(head.fields);
  const std::string_view reason = http::reason_phrase(head.status);
  char* const begin =
      sink_.reserve(m.bytes + reason.size() + more.size() + head.upgrade.size() + 32);
  char* p = put(begin, "HTTP/1.1 ");
  p = std::to_chars(p, p + 5, head.status).ptr;
  *p++ = ' ';
  p = put(p, reason);
  p = put(p, "\r\n");
  p = put_fields(p, head.fields, true);
  if (!more.empty()) {
    p = put(p, more);
    p = put(p, head.upgrade);
    p = put(p, "\r\n");
  }
  p = put(p, "\r\n");
  sink_.commit(size_t(p - begin));
}

void MessageWriter::informational(const http::ResponseHead& head) { bodiless_head(head, {}); }

void MessageWriter::tunnel_head(const http::ResponseHead& head) {
  bodiless_head(head, head.status == 101 ? "connection: upgrade\r\nupgrade: " : "");
  open_tunnel();
}

bool MessageWriter::data(std::string_view bytes, bool end) {
  switch (body_) {
    case Body::None: return true;  // a response to HEAD: its body is dropped
    case Body::Chunked: chunk(bytes, end); return true;
    case Body::Length:
      if (bytes.size() > left_ || (end && bytes.size() != left_)) return false;
      left_ -= bytes.size();
      break;
    case Body::UntilClose: break;
  }
  if (bytes.size() >= kWriteThroughBytes)
    sink_.write_through(bytes);
  else if (!bytes.empty())
    sink_.write(bytes);
  return true;
}

void MessageWriter::chunk(std::string_view bytes, bool end) {
  constexpr std::string_view kLast = "0\r\n\r\n";
  const bool through = bytes.size() >= kWriteThroughBytes;
  char* const begin = sink_.reserve((through ? 0 : bytes.size()) + 32);
  char* p = begin;
  if (!bytes.empty()) {
    p = std::to_chars(p, p + 16, bytes.size(), 16).ptr;
    p = put(p, "\r\n");
    if (!through) {
      p = put(p, bytes);
      p = put(p, "\r\n");
    }
  }
  if (end && !through) p = put(p, kLast);
  sink_.commit(size_t(p - begin));
  if (!through) return;
  sink_.write_through(bytes);
  sink_.write(end ? "\r\n0\r\n\r\n" : "\r\n");
}

bool MessageWriter::trailers(const Fields& trailers) {
  if (body_ != Body::Chunked) return data({}, true);  // no room for them in this framing
  const Measure m = measure(trailers);
  char* const begin = sink_.reserve(m.bytes + 8);
  char* p = put(begin, "0\r\n");
  p = put_fields(p, trailers, true);
  p = put(p, "\r\n");
  sink_.commit(size_t(p - begin));
  return true;
}

void MessageWriter::refusal(uint16_t status) {
  const std::string_view reason = http::reason_phrase(status);
  char* const begin = sink_.reserve(reason.size() + 128);
  char* p = put(begin, "HTTP/1.1 ");
  p = std::to_chars(p, p + 5, status).ptr;
  *p++ = ' ';
  p = put(p, reason);
  p = put(p, "\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  sink_.commit(size_t(p - begin));
}

}  // namespace mesh::http1

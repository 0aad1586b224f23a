#include "http1/head_parser.h"

#include <cstring>

#include "base/text.h"
#include "http/authority.h"
#include "http/syntax.h"
#include "http1/field_reader.h"

namespace mesh::http1 {
namespace {

using http::Protocol;
using http::RequestHead;

// No method that exists is longer (RFC 9110 section 16.1).
constexpr size_t kMethodBytesMax = 32;

// The head cannot become complete within the limit, or can it?
Outcome unfinished(std::span<const char> in, const http::Limits& limits) {
  if (in.size() < limits.head_bytes_max) return Outcome::incomplete();
  if (std::memchr(in.data(), '\n', in.size()) == nullptr)
    return Outcome::bad(414, "request line too long");
  return Outcome::bad(431, "head too long");
}

// "HTTP/1.1" at `p`, all eight bytes there. Incomplete stands for "good".
Outcome read_version(const char* p, Protocol& protocol) {
  if (std::memcmp(p, "HTTP/", 5) != 0 || !http::is_digit(p[5]) || p[6] != '.' ||
      !http::is_digit(p[7]))
    return Outcome::bad(400, "invalid HTTP version");
  if (p[5] != '1' || p[7] > '1') return Outcome::bad(505, "HTTP version not supported");
  protocol = p[7] == '1' ? Protocol::Http11 : Protocol::Http10;
  return {};
}

bool starts_with_scheme(std::string_view target, std::string_view scheme) {
  return target.size() > scheme.size() + 3 &&
         text::iequals(target.substr(0, scheme.size()), scheme) &&
         target.substr(scheme.size(), 3) == "://";
}

// The four forms of RFC 9112 section 3.2. Incomplete stands for "good".
Outcome read_target(std::string_view target, RequestHead& head) {
  if (head.is_connect()) {
    // Authority-form, whose port is not to be left out.
    if (!http::valid_connect_authority(target)) return Outcome::bad(400, "invalid authority");
    head.authority = target;
    return {};
  }
  if (target[0] == '/') {
    head.path = target;
    return {};
  }
  if (target == "*") {
    if (head.method != "OPTIONS") return Outcome::bad(400, "asterisk-form without OPTIONS");
    head.path = target;
    return {};
  }
  if (starts_with_scheme(target, "http"))
    head.scheme = "http";
  else if (starts_with_scheme(target, "https"))
    head.scheme = "https";
  else
    return Outcome::bad(400, "invalid request target");
  const size_t start = head.scheme.size() + 3;
  const size_t slash = target.find_first_of("/?", start);
  head.authority = target.substr(start, slash == target.npos ? slash : slash - start);
  if (!http::valid_authority(head.authority)) return Outcome::bad(400, "invalid authority");
  head.path = slash == target.npos ? std::string_view("/") : target.substr(slash);
  return {};
}

// Method, target and version. Complete: `bytes` is behind the line.
Outcome read_request_line(std::span<char> in, RequestHead& head) {
  char* const begin = in.data();
  char* const end = begin + in.size();
  char* p = begin;
  while (p < end && http::is_tchar(*p)) ++p;
  const size_t method_bytes = size_t(p - begin);
  if (method_bytes > kMethodBytesMax) return Outcome::bad(501, "method not supported");
  if (p == end) return Outcome::incomplete();
  if (*p != ' ' || p == begin)
    return Outcome::bad(400, *p == '\n' ? "bare LF" : "invalid byte in the method");
  head.method = {begin, method_bytes};
  char* const target = ++p;
  p += http::target_end(p, end) - p;
  if (p == end) return Outcome::incomplete();
  if (p == target) return Outcome::bad(400, "no request target");
  if (*p == '\r' || *p == '\n') return Outcome::bad(400, "no HTTP version");
  if (*p != ' ')
    return Outcome::bad(400, *p == '#' ? "fragment in the target" : "invalid byte in the target");
  const std::string_view target_view(target, size_t(p - target));
  ++p;
  if (end - p < 10) {
    // Byte by byte the fault must show as it does all at once: wait for the
    // line's end, or for enough bytes to judge.
    if (std::memchr(p, '\n', size_t(end - p)) == nullptr) return Outcome::incomplete();
    const Outcome version = end - p < 8 ? Outcome() : read_version(p, head.protocol);
    return version.kind == Outcome::Kind::Bad ? version : Outcome::bad(400, "invalid HTTP version");
  }
  if (Outcome o = read_version(p, head.protocol); o.kind == Outcome::Kind::Bad) return o;
  if (p[8] != '\r' || p[9] != '\n') return Outcome::bad(400, "invalid end of the request line");
  if (Outcome o = read_target(target_view, head); o.kind == Outcome::Kind::Bad) return o;
  return Outcome::complete(size_t(p + 10 - begin));
}

Outcome settle_host(const FieldReader& reader, RequestHead& head) {
  if (!reader.host()) {
    if (head.protocol == Protocol::Http11) return Outcome::bad(400, "no Host");
    return {};
  }
  if (!http::valid_authority(*reader.host())) return Outcome::bad(400, "invalid Host");
  // Absolute-form wins over Host (RFC 9112 section 3.2.2), as does authority-form.
  if (head.scheme.empty() && !head.is_connect()) head.authority = *reader.host();
  return {};
}

// What asks for a tunnel has no body: where it seems to have one, where that
// ends and the tunnel begins is in doubt.
Outcome settle_tunnel(const FieldReader& reader, RequestHead& head) {
  head.upgrade = reader.upgrade();
  if (!head.asks_tunnel()) return {};
  if (head.is_connect() && !head.upgrade.empty())
    return Outcome::bad(400, "CONNECT with an upgrade");
  if (reader.chunked() || head.content_length.value_or(0) > 0)
    return Outcome::bad(400, "a body before a tunnel");
  head.fields.remove("content-length");
  head.content_length.reset();
  return {};
}

void settle_framing(const FieldReader& reader, Framing& framing) {
  framing.chunked = reader.chunked();
  framing.close = reader.close();
  framing.keep_alive = reader.keep_alive();
}

// "HTTP/1.1 200 OK". Complete: `bytes` is behind the line.
Outcome read_status_line(std::span<char> in, http::ResponseHead& head) {
  char* const begin = in.data();
  char* const end = begin + in.size();
  if (in.size() < 14) {
    return std::memchr(begin, '\n', in.size()) ? Outcome::bad(400, "invalid status line")
                                               : Outcome::incomplete();
  }
  if (Outcome o = read_version(begin, head.protocol); o.kind == Outcome::Kind::Bad) return o;
  char* p = begin + 8;
  if (*p != ' ' || !http::is_digit(p[1]) || !http::is_digit(p[2]) || !http::is_digit(p[3]))
    return Outcome::bad(400, "invalid status line");
  head.status = uint16_t((p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0'));
  if (head.status < 100 || head.status > 599) return Outcome::bad(400, "invalid status code");
  p += 4;
  // Servers leave out the blank before an empty reason: no doubt arises.
  if (*p != ' ' && *p != '\r') return Outcome::bad(400, "invalid status line");
  p += http::value_end(p, end) - p;
  if (p == end || p + 1 == end) return Outcome::incomplete();
  if (p[0] != '\r' || p[1] != '\n') return Outcome::bad(400, "invalid byte in the reason");
  return Outcome::complete(size_t(p + 2 - begin));
}

// What follows the first line, of a request or a response. `line` is how that
// was read. Complete: `bytes` is behind the head.
template <class Head>
Outcome read_fields(std::span<char> in, const Outcome& line, const http::Limits& limits,
                    FieldReader& reader, Head& head, Framing& framing) {
  if (line.kind == Outcome::Kind::Bad) return line;
  if (line.kind == Outcome::Kind::Incomplete) return unfinished(in, limits);
  const Outcome fields = reader.read(in.data() + line.bytes, in.data() + in.size());
  if (fields.kind == Outcome::Kind::Bad) return fields;
  if (fields.kind == Outcome::Kind::Incomplete) return unfinished(in, limits);
  const size_t bytes = line.bytes + fields.bytes;
  if (bytes > limits.head_bytes_max) return unfinished(in, limits);
  const Outcome finish = reader.finish(head.protocol);
  if (finish.kind == Outcome::Kind::Bad) return finish;
  head.content_length = reader.content_length();
  settle_framing(reader, framing);
  return Outcome::complete(bytes);
}

}  // namespace

Outcome parse_request_head(std::span<char> in, const http::Limits& limits, RequestHead& head,
                           Framing& framing) {
  head.clear();
  const Outcome line = read_request_line(in, head);
  FieldReader reader(Section::Request, limits.fields_max, head.fields);
  const Outcome outcome = read_fields(in, line, limits, reader, head, framing);
  if (outcome.kind != Outcome::Kind::Complete) return outcome;
  if (Outcome o = settle_host(reader, head); o.kind == Outcome::Kind::Bad) return o;
  if (Outcome o = settle_tunnel(reader, head); o.kind == Outcome::Kind::Bad) return o;
  return outcome;
}

void give_query_a_slash(RequestHead& head) {
  if (!head.path.starts_with('?')) return;
  char* const authority = const_cast<char*>(head.authority.data());  // in the parser's span
  std::memmove(authority - 1, authority, head.authority.size());
  head.authority = {authority - 1, head.authority.size()};
  authority[head.authority.size() - 1] = '/';
  head.path = {authority + head.authority.size() - 1, head.path.size() + 1};
}

Outcome parse_response_head(std::span<char> in, const http::Limits& limits,
                            http::ResponseHead& head, Framing& framing) {
  head.clear();
  const Outcome line = read_status_line(in, head);
  FieldReader reader(Section::Response, limits.fields_max, head.fields);
  const Outcome outcome = read_fields(in, line, limits, reader, head, framing);
  if (head.status == 101) head.upgrade = reader.upgrade();
  return outcome;
}

Outcome parse_trailers(std::span<char> in, const http::Limits& limits, http::Fields& trailers) {
  trailers.clear();
  FieldReader reader(Section::Trailers, limits.fields_max, trailers);
  const Outcome fields = reader.read(in.data(), in.data() + in.size());
  if (fields.kind == Outcome::Kind::Bad) return fields;
  const size_t bytes = fields.kind == Outcome::Kind::Complete ? fields.bytes : in.size();
  if (bytes > limits.trailer_bytes_max) return Outcome::bad(431, "trailers too long");
  if (fields.kind == Outcome::Kind::Incomplete) return fields;
  return Outcome::complete(bytes);
}

}  // namespace mesh::http1

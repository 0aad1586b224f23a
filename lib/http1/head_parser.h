// Heads of HTTP/1 messages, parsed where they lie (RFC 9112).
//
// A head that is not complete yet is parsed again from its start when more of
// it came; the parser changes nothing in it but lowering the names.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "http/limits.h"
#include "http/message.h"

namespace mesh::http1 {

// How a parser came out. `status` is what a server answers to a bad head.
struct Outcome {
  enum class Kind : uint8_t { Complete, Incomplete, Bad };
  Kind kind = Kind::Incomplete;
  uint16_t status = 0;
  std::string_view why;  // static text
  size_t bytes = 0;      // Complete: the length of the head

  static Outcome complete(size_t bytes) { return {Kind::Complete, 0, {}, bytes}; }
  static Outcome incomplete() { return {}; }
  static Outcome bad(uint16_t status, std::string_view why) { return {Kind::Bad, status, why, 0}; }
};

// What a head says of its connection and its body.
struct Framing {
  bool chunked = false;
  bool close = false;       // Connection: close
  bool keep_alive = false;  // Connection: keep-alive
};

// Fills `head` (cleared first) and `framing` from the start of `in`. The views
// point into `in`. `head.scheme` is set for absolute-form only, and an
// absolute-form target without a path but with a query gives "?query": call
// give_query_a_slash() once the head is accepted.
Outcome parse_request_head(std::span<char> in, const http::Limits& limits, http::RequestHead& head,
                           Framing& framing);
// Turns a path "?query" into "/?query" by moving the authority, in place: the
// head cannot be parsed again.
void give_query_a_slash(http::RequestHead& head);

Outcome parse_response_head(std::span<char> in, const http::Limits& limits,
                            http::ResponseHead& head, Framing& framing);

// A trailer section up to and with its blank line. Fields that frame or route
// a message are refused there (RFC 9110 section 6.5.1).
Outcome parse_trailers(std::span<char> in, const http::Limits& limits, http::Fields& trailers);

}  // namespace mesh::http1

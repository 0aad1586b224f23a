// Limits on what one peer may send. Process-wide caps; the defaults are Envoy's
// (max_request_headers_kb 60, max_headers_count 100).
#pragma once

#include <cstddef>
#include <cstdint>

namespace mesh::http {

struct Limits {
  // A head from its first byte to the blank line, and as HTTP/2 counts it:
  // names, values and 32 bytes a field. Over it: 431, or 414 where the request
  // line alone is too long (HTTP/1).
  size_t head_bytes_max = 60 * 1024;
  size_t fields_max = 100;  // of a head, and of trailers
  size_t trailer_bytes_max = 8 * 1024;
  // HTTP/2: streams a peer may have open.
  uint32_t streams_max = 100;
  // HTTP/2: what may be on its way to us, for a stream and for a connection.
  uint32_t stream_window_bytes = 256 * 1024;
  uint32_t connection_window_bytes = 1024 * 1024;
  // What a request body may still bring after its response is complete before
  // the connection is given up instead (HTTP/1).
  size_t discard_bytes_max = 64 * 1024;
};

}  // namespace mesh::http

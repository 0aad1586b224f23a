// Limits on what one peer may send. Process-wide caps; the defaults are Envoy's
// (max_request_headers_kb 60, max_headers_count 100).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace mesh::http {

// HTTP/2: what a peer may do, by the names of Envoy's Http2ProtocolOptions and
// with its defaults, but for streams and windows, which are smaller here.
struct Http2Options {
  // Streams a peer may have open.
  uint32_t streams_max = 100;
  // What may be on its way to us, for a stream and for a connection.
  uint32_t stream_window_bytes = 256 * 1024;
  uint32_t connection_window_bytes = 1024 * 1024;
  uint32_t table_bytes = 4096;  // hpack_table_size, both ways
  // Extended CONNECT (RFC 8441) is offered to clients.
  bool allow_connect = false;
  // Frames that wait for the socket, and those among them that carry no data.
  uint32_t outbound_frames_max = 10'000;
  uint32_t outbound_control_frames_max = 1'000;
  // HEADERS, CONTINUATION and DATA in a row without payload and END_STREAM.
  uint32_t consecutive_empty_frames_max = 1;
  // PRIORITY: this many for each stream there was, and for one more.
  uint32_t priority_frames_per_stream_max = 100;
  // WINDOW_UPDATE: 5 + 2 * (streams + this * DATA frames sent).
  uint32_t window_updates_per_data_frame_max = 10;
  // connection_keepalive: a PING after `interval` (0: never) plus up to
  // `jitter_percent` of it, and one when a request comes after `idle_interval` of
  // silence (0: never); the connection ends where no answer comes in `timeout`.
  struct Keepalive {
    std::chrono::nanoseconds interval{0};
    std::chrono::nanoseconds timeout{0};
    std::chrono::nanoseconds idle_interval{0};
    double jitter_percent = 15;
    bool operator==(const Keepalive&) const = default;
  } keepalive{};
  bool operator==(const Http2Options&) const = default;
};

struct Limits {
  // A head from its first byte to the blank line, and as HTTP/2 counts it:
  // names, values and 32 bytes a field. Over it: 431, or 414 where the request
  // line alone is too long (HTTP/1).
  size_t head_bytes_max = 60 * 1024;
  size_t fields_max = 100;  // of a head, and of trailers
  size_t trailer_bytes_max = 8 * 1024;
  // What a request body may still bring after its response is complete before
  // the connection is given up instead (HTTP/1).
  size_t discard_bytes_max = 64 * 1024;
  Http2Options http2{};
};

}  // namespace mesh::http

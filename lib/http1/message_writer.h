// MessageWriter: heads and bodies onto the wire (RFC 9112).
//
// Heads are serialised straight into the sink; fields that lie behind each
// other as they were received are copied in one piece.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/codec.h"
#include "http/message.h"

namespace mesh::http1 {

class MessageWriter {
 public:
  explicit MessageWriter(http::ByteSink& sink) : sink_(sink) {}

  // HTTP/1.1 with Host from the authority. The body is framed by
  // Content-Length where the fields have it, else chunked. One that asks for a
  // tunnel has none: data() fails until open_tunnel().
  void request_head(const http::RequestHead& head, bool end);

  struct ResponseFraming {
    bool bodiless = false;        // HEAD, 204, 304: whatever the fields say
    bool http10 = false;          // the client knows no chunks
    bool close = false;           // say "connection: close"
    bool say_keep_alive = false;  // an HTTP/1.0 client that asked for it
  };
  // Returns true when the body can only end by closing the connection.
  bool response_head(const http::ResponseHead& head, bool end, const ResponseFraming& framing);
  void informational(const http::ResponseHead& head);
  // The answer that accepts a tunnel, open from then on.
  void tunnel_head(const http::ResponseHead& head);
  // data() is the tunnel's, to the end of the connection.
  void open_tunnel() { body_ = Body::UntilClose; }

  // False when the bytes do not fit the announced length: nothing was written,
  // and the connection is of no more use.
  [[nodiscard]] bool data(std::string_view bytes, bool end);
  [[nodiscard]] bool trailers(const http::Fields& trailers);

  // The body of this message ends with the connection.
  bool until_close() const { return body_ == Body::UntilClose; }

  // A whole answer without a body that ends the connection.
  void refusal(uint16_t status);

 private:
  enum class Body : uint8_t { None, Length, Chunked, UntilClose };

  void chunk(std::string_view bytes, bool end);
  void bodiless_head(const http::ResponseHead& head, std::string_view more);

  http::ByteSink& sink_;
  Body body_ = Body::None;
  uint64_t left_ = 0;
};

}  // namespace mesh::http1

// H2Client: a client of HTTP/2 in clear text, prior knowledge, for loads.
//
// It writes frames by hand and reads as much of HPACK as ":status: 200" takes. Blocking,
// every wait has a deadline. None of the product's own code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "support/http_peer.h"

namespace mesh::support {

class H2Client {
 public:
  static std::optional<H2Client> try_connect(uint16_t port);

  struct Outcome {
    int good = 0;     // 200, whole
    int refused = 0;  // the peer said that it did nothing: GOAWAY below it, REFUSED_STREAM
    int lost = 0;     // anything else
  };
  // `count` GETs of / at once, and what became of them.
  Outcome ask(int count, int timeout_ms = 10000);
  // The peer said goodbye, or the connection is over: no more of ask().
  bool over() const { return over_; }

 private:
  explicit H2Client(Wire wire) : wire_(std::move(wire)) {}

  Wire wire_;
  uint32_t next_ = 1;
  bool over_ = false;
};

}  // namespace mesh::support

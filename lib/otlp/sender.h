// Sender: how one request of OTLP reaches a collector, and what became of it
// (opentelemetry.io/docs/specs/otlp, "Failures"). One loop, its thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"

namespace mesh::otlp {

struct Outcome {
  enum class Kind : uint8_t {
    Accepted,
    Again,    // not now: the same request may be accepted later
    Refused,  // never
  } kind = Kind::Accepted;
  uint64_t rejected = 0;  // spans of an accepted request (partial success)
  Duration wait{0};       // Again: as the collector asks; 0: it does not
  std::string text;       // why not, or what the collector says of what it rejected
};

class Sender {
 public:
  using Done = std::function<void(Outcome)>;
  virtual ~Sender() = default;
  // A serialized ExportTraceServiceRequest, one at a time. `done` runs once, in a later turn,
  // or never where the sender is destroyed before.
  virtual void send(const std::string& request, Done done) = 0;
};

// Accepted, with what a serialized ExportTraceServiceResponse says.
Outcome accepted(const std::string& response);

}  // namespace mesh::otlp

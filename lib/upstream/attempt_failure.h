// AttemptFailure: why a try of a request, or a tunnel's connection, came to nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "resilience/retry.h"

namespace mesh::upstream {

struct AttemptFailure {
  resilience::Failure failure = resilience::Failure::None;
  enum class Kind : uint8_t {
    NoHost,          // UH
    Overflow,        // UO
    Connect,         // UF
    ConnectTimeout,  // UF
    Lost,            // UC: the connection ended under the stream
    RemoteReset,     // UR: the peer reset the stream
    Protocol,        // UPE
  } kind = Kind::Connect;
  std::string_view text{};  // for the log; valid for the call
  // The peer did nothing (REFUSED_STREAM, GOAWAY below our id): trying again is
  // always safe.
  bool untouched = false;
};

}  // namespace mesh::upstream

// What the log and the client are told of each way to fail before an answer.
//
// Flags and details are Envoy's (%RESPONSE_FLAGS%, %RESPONSE_CODE_DETAILS%).
#pragma once

#include <string_view>

#include "telemetry/response_flags.h"
#include "upstream/attempt.h"

namespace mesh::forward {

struct FailureText {
  upstream::AttemptFailure::Kind kind;
  telemetry::Flag flag;
  std::string_view details;   // static
  std::string_view sentence;  // static
};

const FailureText& failure_text(upstream::AttemptFailure::Kind kind);

}  // namespace mesh::forward

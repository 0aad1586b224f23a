// grpc-timeout (grpc/doc/PROTOCOL-HTTP2.md, "Timeout"): at most eight digits and a
// unit of H, M, S, m, u, n. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace mesh::grpc {

// Nothing where it is not of that form. What is over ten years is ten years.
std::optional<Duration> parse_timeout(std::string_view text);
// The finest unit that eight digits hold, rounded up; negative durations are 0.
std::string format_timeout(Duration timeout);

}  // namespace mesh::grpc

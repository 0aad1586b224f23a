// Request id: x-request-id, a version 4 UUID as Envoy makes it.
#pragma once

#include <array>
#include <string_view>

#include "base/random.h"

namespace mesh::telemetry {

inline constexpr size_t kRequestIdBytes = 36;

// "xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx"; the view is into `buffer`. Names a
// request; is no secret.
std::string_view make_request_id(Random& random, std::array<char, kRequestIdBytes>& buffer);

// Fit to be carried on as received: 1 to 128 visible ASCII bytes.
bool valid_request_id(std::string_view value);

}  // namespace mesh::telemetry

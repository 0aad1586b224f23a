// Base64 with padding, the standard alphabet (RFC 4648, 4). Strict: nothing but what
// encode() would make is decoded.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mesh::base64 {

std::string encode(std::string_view bytes);
std::optional<std::string> decode(std::string_view text);

}  // namespace mesh::base64

// Base64url without padding (RFC 4648, 5; RFC 7515, 2). Strict: nothing but what
// encode_url() would make is decoded.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mesh::base64 {

std::string encode_url(std::string_view bytes);
std::optional<std::string> decode_url(std::string_view text);

}  // namespace mesh::base64

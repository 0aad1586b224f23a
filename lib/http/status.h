// Status codes in words.
#pragma once

#include <cstdint>
#include <string_view>

namespace mesh::http {

// The reason phrase of RFC 9110 section 15 ("Not Found"), or "Unknown".
std::string_view reason_phrase(uint16_t status);

// No content by definition: 1xx, 204, 304 (RFC 9112 section 6.3).
constexpr bool bodiless(uint16_t status) { return status < 200 || status == 204 || status == 304; }

}  // namespace mesh::http

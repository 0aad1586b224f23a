// Dates of HTTP: "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7, IMF-fixdate). Pure.
#pragma once

#include <array>
#include <string_view>

#include "base/clock.h"

namespace mesh::http {

inline constexpr size_t kDateBytes = 29;

// Written into `text`, which the result is a view of. Years 0 to 9999.
std::string_view format_date(WallTime when, std::array<char, kDateBytes>& text);

}  // namespace mesh::http

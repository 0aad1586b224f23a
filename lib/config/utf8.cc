#include "config/utf8.h"

namespace mesh::config {
namespace {

// Length of the well-formed sequence that `s` begins with, 0 if there is none
// (RFC 3629, section 4).
size_t sequence_length(std::string_view s) {
  const auto byte = [&](size_t i) { return i < s.size() ? uint8_t(s[i]) : uint8_t(0); };
  const auto tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const uint8_t b0 = byte(0);
  const uint8_t b1 = byte(1);
  if (b0 < 0x80) return 1;
  if (b0 >= 0xc2 && b0 <= 0xdf) return tail(1) ? 2 : 0;
  if (b0 >= 0xe0 && b0 <= 0xef) {
    const bool second = b0 == 0xe0 ? b1 >= 0xa0 : b0 == 0xed ? b1 <= 0x9f : true;
    return second && tail(1) && tail(2) ? 3 : 0;
  }
  if (b0 >= 0xf0 && b0 <= 0xf4) {
    const bool second = b0 == 0xf0 ? b1 >= 0x90 : b0 == 0xf4 ? b1 <= 0x8f : true;
    return second && tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::optional<BadText> find_bad_text(std::string_view text) {
  Position at{1, 1};
  for (size_t i = 0; i < text.size();) {
    const auto c = uint8_t(text[i]);
    if (c == 0) return BadText{at, "NUL is refused"};
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
      return BadText{at, "control characters are refused"};
    const size_t length = sequence_length(text.substr(i));
    if (length == 0) return BadText{at, "not UTF-8"};
    i += length;
    if (c == '\n') {
      ++at.line;
      at.column = 1;
    } else {
      ++at.column;
    }
  }
  return std::nullopt;
}

}  // namespace mesh::config

#include "config/utf8.h"

#include "base/utf8.h"

namespace mesh::config {

std::optional<BadText> find_bad_text(std::string_view text) {
  Position at{1, 1};
  for (size_t i = 0; i < text.size();) {
    const auto c = uint8_t(text[i]);
    if (c == 0) return BadText{at, "NUL is refused"};
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
      return BadText{at, "control characters are refused"};
    const size_t length = utf8::front_bytes(text.substr(i));
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

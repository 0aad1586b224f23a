#include "base/utf8.h"

#include <algorithm>
#include <cstdint>

#include "base/text.h"

namespace mesh::utf8 {

size_t front_bytes(std::string_view s) {
  if (s.empty()) return 0;
  const auto byte = [&](size_t i) { return i < s.size() ? uint8_t(s[i]) : uint8_t(0); };
  const auto tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  if (first < 0xe0) return tail(1) ? 2 : 0;
  const uint8_t second = byte(1);
  if (first < 0xf0) {
    if (first == 0xe0 && second < 0xa0) return 0;  // overlong
    if (first == 0xed && second > 0x9f) return 0;  // a surrogate
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first == 0xf0 && second < 0x90) return 0;
  if (first == 0xf4 && second > 0x8f) return 0;
  return tail(1) && tail(2) && tail(3) ? 4 : 0;
}

bool valid(std::string_view s) {
  while (!s.empty()) {
    const size_t bytes = front_bytes(s);
    if (bytes == 0) return false;
    s.remove_prefix(bytes);
  }
  return true;
}

std::string escaped(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  while (!s.empty()) {
    const size_t bytes = front_bytes(s);
    if (bytes == 0)
      out += "\\x" + text::to_hex(s.substr(0, 1));
    else
      out += s.substr(0, bytes);
    s.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return out;
}

std::string cut(std::string_view s, size_t bytes_max) {
  if (s.size() <= bytes_max) return std::string(s);
  while (bytes_max > 0 && (uint8_t(s[bytes_max]) & 0xC0) == 0x80) --bytes_max;
  return std::string(s.substr(0, bytes_max));
}

}  // namespace mesh::utf8

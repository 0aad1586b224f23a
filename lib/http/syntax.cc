#include "http/syntax.h"

#include <algorithm>

namespace mesh::http {

std::optional<uint64_t> parse_content_length(std::string_view value) {
  constexpr size_t kDigitsAlwaysBelow = 18;  // of 2^63, which has 19
  if (value.empty()) return std::nullopt;
  uint64_t n = 0;
  if (value.size() <= kDigitsAlwaysBelow) {
    for (const char c : value) {
      const unsigned digit = unsigned(uint8_t(c)) - '0';
      if (digit > 9) return std::nullopt;
      n = n * 10 + digit;
    }
    return n;
  }
  for (const char c : value) {
    const unsigned digit = unsigned(uint8_t(c)) - '0';
    if (digit > 9 || n > (uint64_t(INT64_MAX) - digit) / 10) return std::nullopt;
    n = n * 10 + digit;
  }
  return n;
}

bool valid_field_value(std::string_view value) {
  const char* end = value.data() + value.size();
  return value_end(value.data(), end) == end;
}

bool valid_lower_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](char c) { return c && kNameLower[uint8_t(c)] == c; });
}

bool valid_target(std::string_view target) {
  const char* end = target.data() + target.size();
  return !target.empty() && target_end(target.data(), end) == end;
}

bool valid_token(std::string_view token) {
  return !token.empty() && std::all_of(token.begin(), token.end(), is_tchar);
}

}  // namespace mesh::http

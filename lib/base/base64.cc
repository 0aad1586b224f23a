#include "base/base64.h"

#include <algorithm>
#include <cstdint>

namespace mesh::base64 {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k)
      word = word << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k) out += k <= n ? kAlphabet[word >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::optional<std::string> decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    std::string_view group = text.substr(i, 4);
    if (i + 4 == text.size())
      while (group.size() > 2 && group.back() == '=') group.remove_suffix(1);
    uint32_t word = 0;
    for (const char c : group) {
      const size_t digit = kAlphabet.find(c);
      if (digit == std::string_view::npos) return std::nullopt;
      word = word << 6 | uint32_t(digit);
    }
    const size_t spare = 4 - group.size();  // digits that are not there
    word <<= 6 * spare;
    for (size_t k = 0; k < 3 - spare; ++k) out += char(word >> (16 - 8 * k) & 0xff);
    if (spare > 0 && (word & ((1U << (8 * spare)) - 1)) != 0) return std::nullopt;
  }
  return out;
}

}  // namespace mesh::base64

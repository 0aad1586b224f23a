#include "telemetry/request_id.h"

#include <algorithm>

namespace mesh::telemetry {

std::string_view make_request_id(Random& random, std::array<char, kRequestIdBytes>& buffer) {
  constexpr std::string_view kHex = "0123456789abcdef";
  uint64_t high = random.next();
  uint64_t low = random.next();
  high = (high & ~0xF000ULL) | 0x4000ULL;             // version 4 (RFC 9562 section 5.4)
  low = (low & ~(3ULL << 62)) | (uint64_t(2) << 62);  // variant 10
  size_t at = 0;
  for (int digit = 0; digit < 32; ++digit) {
    if (digit == 8 || digit == 12 || digit == 16 || digit == 20) buffer[at++] = '-';
    const uint64_t half = digit < 16 ? high : low;
    buffer[at++] = kHex[(half >> (60 - 4 * (digit % 16))) & 15];
  }
  return {buffer.data(), buffer.size()};
}

bool valid_request_id(std::string_view value) {
  return !value.empty() && value.size() <= 128 &&
         std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace mesh::telemetry

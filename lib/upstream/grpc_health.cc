#include "upstream/grpc_health.h"

#include <cstdint>
#include <optional>

namespace mesh::upstream {
namespace {

constexpr size_t kPrefixBytes = 5;  // compressed flag, length

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += char(value | 0x80);
  out += char(value);
}

std::optional<uint64_t> take_varint(std::string_view& bytes) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (bytes.empty()) return std::nullopt;
    const auto byte = uint8_t(bytes.front());
    bytes.remove_prefix(1);
    value |= uint64_t(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return std::nullopt;
}

// Passes over a field of ours not known; false where it is broken.
bool skip(uint64_t wire_type, std::string_view& bytes) {
  uint64_t length = 0;
  switch (wire_type) {
    case 0: return take_varint(bytes).has_value();
    case 1: length = 8; break;
    case 5: length = 4; break;
    case 2: {
      const auto told = take_varint(bytes);
      if (!told) return false;
      length = *told;
      break;
    }
    default: return false;
  }
  if (length > bytes.size()) return false;
  bytes.remove_prefix(size_t(length));
  return true;
}

}  // namespace

std::string grpc_health_request(std::string_view service) {
  std::string message;
  if (!service.empty()) {
    message += char(1 << 3 | 2);
    put_varint(message, service.size());
    message += service;
  }
  std::string framed(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) framed += char(message.size() >> shift);
  return framed + message;
}

bool grpc_health_serving(std::string_view framed) {
  if (framed.size() < kPrefixBytes || framed[0] != 0) return false;
  uint32_t length = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) length = length << 8 | uint8_t(framed[i]);
  framed.remove_prefix(kPrefixBytes);
  if (length != framed.size()) return false;
  uint64_t status = 0;
  while (!framed.empty()) {
    const auto tag = take_varint(framed);
    if (!tag || *tag >> 3 == 0) return false;
    if (*tag == (1 << 3 | 0)) {
      const auto value = take_varint(framed);
      if (!value) return false;
      status = *value;
    } else if (!skip(*tag & 7, framed)) {
      return false;
    }
  }
  return status == 1;
}

}  // namespace mesh::upstream

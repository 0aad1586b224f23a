#include "http/session_cookie.h"

#include <cstdint>

#include "base/base64.h"

namespace mesh::http {
namespace {

constexpr char kAddressTag = 0x0a;
constexpr char kExpiresTag = 0x10;

void add_varint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += char(value | 0x80);
  out += char(value);
}

bool take_varint(std::string_view& bytes, uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= uint64_t(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace

std::string session_cookie(std::string_view address, std::chrono::seconds expires) {
  std::string bytes(1, kAddressTag);
  add_varint(address.size(), bytes);
  bytes += address;
  if (expires.count() > 0) {
    bytes += kExpiresTag;
    add_varint(uint64_t(expires.count()), bytes);
  }
  return base64::encode(bytes);
}

std::string session_address(std::string_view cookie, std::chrono::seconds now) {
  if (cookie.size() > 2 * kSessionAddressMax) return {};
  const auto decoded = base64::decode(cookie);
  if (!decoded) return {};
  std::string_view bytes = *decoded;
  std::string address;
  while (!bytes.empty()) {
    const char tag = bytes.front();
    bytes.remove_prefix(1);
    uint64_t value = 0;
    if ((tag != kAddressTag && tag != kExpiresTag) || !take_varint(bytes, value)) return {};
    if (tag == kExpiresTag) {
      if (value != 0 && value < uint64_t(now.count())) return {};
      continue;
    }
    if (value > bytes.size() || value > kSessionAddressMax) return {};
    address.assign(bytes.substr(0, size_t(value)));
    bytes.remove_prefix(size_t(value));
  }
  return address;
}

}  // namespace mesh::http

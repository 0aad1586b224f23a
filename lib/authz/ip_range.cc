#include "authz/ip_range.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace mesh::authz {

Ip Ip::parse(std::string_view text) {
  Ip ip;
  char literal[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof literal) return ip;
  std::memcpy(literal, text.data(), text.size());
  literal[text.size()] = '\0';
  if (inet_pton(AF_INET, literal, ip.bytes.data()) == 1) {
    ip.size = 4;
  } else if (inet_pton(AF_INET6, literal, ip.bytes.data()) == 1) {
    constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    ip.size = 16;
    if (!std::equal(kMapped.begin(), kMapped.end(), ip.bytes.begin())) return ip;
    Ip inner{.size = 4};
    std::copy(ip.bytes.begin() + 12, ip.bytes.end(), inner.bytes.begin());
    return inner;
  }
  return ip;
}

std::string to_string(const Ip& ip) {
  char text[INET6_ADDRSTRLEN];
  if (ip.size == 0) return "-";
  return inet_ntop(ip.size == 4 ? AF_INET : AF_INET6, ip.bytes.data(), text, sizeof text);
}

Result<IpRange> IpRange::make(std::string_view address, uint32_t bits) {
  IpRange range{.prefix = Ip::parse(address), .bits = uint8_t(bits)};
  if (range.prefix.size == 0)
    return Error{Errc::Invalid, "expected an IP address, got " + text::quoted(address)};
  if (bits > range.prefix.size * 8U)
    return Error{Errc::Invalid, "a prefix of " + std::string(address) + " has at most " +
                                    std::to_string(range.prefix.size * 8) + " bits"};
  return range;
}

bool IpRange::contains(const Ip& ip) const {
  if (ip.size != prefix.size) return false;
  const size_t whole = bits / 8;
  if (std::memcmp(ip.bytes.data(), prefix.bytes.data(), whole) != 0) return false;
  if (bits % 8 == 0) return true;
  const auto mask = uint8_t(0xff << (8 - bits % 8));
  return ((ip.bytes[whole] ^ prefix.bytes[whole]) & mask) == 0;
}

std::string to_string(const IpRange& range) {
  const std::string address = to_string(range.prefix);
  return range.bits == range.prefix.size * 8 ? address : address + "/" + std::to_string(range.bits);
}

}  // namespace mesh::authz

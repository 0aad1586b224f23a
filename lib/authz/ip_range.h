// Ip and IpRange: addresses as policies compare them. Values; pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::authz {

// An IPv4 address mapped into IPv6 (::ffff:a.b.c.d) is taken as IPv4.
struct Ip {
  std::array<uint8_t, 16> bytes{};  // in network order
  uint8_t size = 0;                 // 4 or 16; 0: none, a Unix socket's

  // An address without port and brackets; none where it is something else.
  static Ip parse(std::string_view text);
  bool operator==(const Ip&) const = default;
};
std::string to_string(const Ip& ip);  // "-" for none

// The addresses whose first bits are those of `prefix`.
struct IpRange {
  Ip prefix{};
  uint8_t bits = 0;

  // `bits` up to 32 or 128, as the address has. Errc::Invalid otherwise.
  static Result<IpRange> make(std::string_view address, uint32_t bits);
  bool contains(const Ip& ip) const;
};
std::string to_string(const IpRange& range);  // "10.0.0.0/8"; a whole address without the bits

}  // namespace mesh::authz

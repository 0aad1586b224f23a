// Cidr: a range of addresses, "10.0.0.0/8". A value; pure.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "net/address.h"

namespace mesh::net {

class Cidr {
 public:
  // `bits` up to 32 or 128 as the address's family has. Errc::Invalid otherwise.
  static Result<Cidr> make(std::string_view address, uint32_t bits);

  // An IPv4 address mapped into IPv6 (::ffff:a.b.c.d) is taken as IPv4.
  bool contains(const Address& address) const;
  uint32_t bits() const { return bits_; }

 private:
  std::array<uint8_t, 16> prefix_{};
  uint32_t bits_ = 0;
  bool v6_ = false;
};

}  // namespace mesh::net

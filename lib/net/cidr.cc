#include "net/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace mesh::net {
namespace {

// The address's bytes in order, and how many.
std::pair<std::array<uint8_t, 16>, size_t> bytes_of(const Address& address) {
  std::array<uint8_t, 16> bytes{};
  if (address.family() == AF_INET) {
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr, 4);
    return {bytes, 4};
  }
  if (address.family() != AF_INET6) return {bytes, 0};
  const in6_addr& in6 = reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&in6)) {
    std::memcpy(bytes.data(), in6.s6_addr + 12, 4);
    return {bytes, 4};
  }
  std::memcpy(bytes.data(), in6.s6_addr, 16);
  return {bytes, 16};
}

}  // namespace

Result<Cidr> Cidr::make(std::string_view address, uint32_t bits) {
  MESH_TRY(const Address ip, Address::ip(address, 0));
  Cidr cidr;
  const auto [bytes, size] = bytes_of(ip);
  if (bits > size * 8)
    return Error{Errc::Invalid, "a prefix of " + std::string(address) + " has at most " +
                                    std::to_string(size * 8) + " bits"};
  cidr.prefix_ = bytes;
  cidr.bits_ = bits;
  cidr.v6_ = size == 16;
  return cidr;
}

bool Cidr::contains(const Address& address) const {
  const auto [bytes, size] = bytes_of(address);
  if (size != (v6_ ? 16U : 4U)) return false;
  const size_t whole = bits_ / 8;
  if (std::memcmp(bytes.data(), prefix_.data(), whole) != 0) return false;
  if (bits_ % 8 == 0) return true;
  const auto mask = uint8_t(0xff << (8 - bits_ % 8));
  return ((bytes[whole] ^ prefix_[whole]) & mask) == 0;
}

}  // namespace mesh::net

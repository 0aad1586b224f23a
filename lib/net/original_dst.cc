#include "net/original_dst.h"

#include <netinet/in.h>

#include <cstring>

namespace mesh::net {
namespace {

// linux/netfilter_ipv4.h and linux/netfilter_ipv6/ip6_tables.h, which do not agree with
// netinet/in.h; the same number at both levels.
constexpr int kOriginalDst = 80;

bool is_any(const Address& address) {
  const std::string host = address.host();
  return host == "0.0.0.0" || host == "::";
}

}  // namespace

Address unmapped(const Address& address) {
  if (address.family() != AF_INET6) return address;
  const auto& from = *reinterpret_cast<const sockaddr_in6*>(address.data());
  if (!IN6_IS_ADDR_V4MAPPED(&from.sin6_addr)) return address;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = from.sin6_port;
  std::memcpy(&to.sin_addr, from.sin6_addr.s6_addr + 12, sizeof to.sin_addr);
  return Address::from(reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

Address original_destination(int fd, bool transparent, const Address& listener) {
  const Address local = unmapped(Address::local_of(fd));
  sockaddr_storage any{};
  socklen_t size = sizeof any;
  const int level = local.family() == AF_INET6 ? SOL_IPV6 : SOL_IP;
  Address found;
  if (getsockopt(fd, level, kOriginalDst, &any, &size) == 0)
    found = unmapped(Address::from(reinterpret_cast<const sockaddr*>(&any), size));
  if (found.family() != AF_UNSPEC && !(found == local)) return found;
  // Not rewritten: with TPROXY the local address is another host's.
  if (!transparent) return {};
  const bool ours = local.port() == listener.port() &&
                    (is_any(listener) || local.host() == unmapped(listener).host());
  return ours ? Address() : local;
}

}  // namespace mesh::net

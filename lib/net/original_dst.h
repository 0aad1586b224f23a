// Where a redirected connection was going before the kernel sent it here.
#pragma once

#include "net/address.h"

namespace mesh::net {

// Of an accepted TCP connection: what netfilter's REDIRECT or DNAT replaced
// (SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST), or with `transparent`, of a listener that has
// IP_TRANSPARENT, its local address (TPROXY). AF_UNSPEC where it was going to `listener`,
// the address that is listened on, itself: then nobody redirected it. An IPv4 destination
// is an IPv4 address on a dual-stack socket too.
Address original_destination(int fd, bool transparent, const Address& listener);

// ::ffff:a.b.c.d as a.b.c.d; others as they are.
Address unmapped(const Address& address);

}  // namespace mesh::net

// The few socket calls, as values. Every descriptor made here is non-blocking
// and close-on-exec; TCP sockets have TCP_NODELAY, since batching is ours. Those
// accepted have it of the listening socket (Linux copies it).
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/address.h"

namespace mesh::net {

// Begins to connect. The descriptor becomes writable when it is decided:
// connect_error() then tells. Errors at once: Errc::Unavailable (refused, no
// route, no such Unix socket), Errc::System (no descriptor left, ...).
// `source`: the address it comes from; its family is the other's, its port may be 0.
struct Source {
  Address address;
  bool freebind = false;  // an address that the host may not have
};
Result<UniqueFd> connect(const Address& address, const Source* source = nullptr);

// 0 when the connection stands, else its errno. Ask once it is writable.
int connect_error(int fd);

struct ListenOptions {
  int backlog = 4096;
  uint32_t mode = 0;         // of a Unix socket's file; 0: as umask says
  bool freebind = false;     // an address that the host may not have yet
  bool transparent = false;  // connections to other hosts' addresses (TPROXY); CAP_NET_ADMIN
  bool ipv4_compat = false;  // IPv6: IPv4 clients too (IPV6_V6ONLY off), else IPv6 alone
};

// IP_TRANSPARENT of a listening TCP socket; Errc::System where it is not permitted.
Result<void> set_transparent(int fd, const Address& address);

// Binds and listens with SO_REUSEADDR. A Unix path in the way is removed when
// it is a socket that nobody answers; a live one is Errc::Unavailable, as is a
// taken port. The text names the address.
Result<UniqueFd> listen(const Address& address, const ListenOptions& options);

struct Accepted {
  UniqueFd fd;
  int error = 0;  // errno where fd is empty; EAGAIN: nothing waits
};

// One connection off the queue. The peer's address is asked for by those who
// need it (Address::peer_of), not here.
Accepted accept(int listener);

// Has the kernel probe a TCP connection that is still (tcp(7)): after `time_s`, every
// `interval_s`, dead after `probes` without an answer; 0 leaves the kernel's value.
void set_keepalive(int fd, int probes, int time_s, int interval_s);

// Disables Nagle's algorithm; does nothing to a Unix socket.
void set_nodelay(int fd);

}  // namespace mesh::net

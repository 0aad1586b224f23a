// Address: where a socket binds, listens or connects: IPv4, IPv6 or a Unix
// path. A value; never a name that needs DNS.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::net {

class Address {
 public:
  Address() = default;  // AF_UNSPEC: nowhere

  // "127.0.0.1:80", "[::1]:80", "localhost:80" (127.0.0.1), "unix:PATH", a path
  // that begins with "/" or "./", "@name" for the abstract name space.
  // Errc::Invalid says what was expected.
  static Result<Address> parse(std::string_view text);
  // An IP literal or "localhost", and a port; 0 lets the kernel choose one.
  static Result<Address> ip(std::string_view host, uint16_t port);
  // At most 107 bytes; "@name" is abstract.
  static Result<Address> unix_path(std::string_view path);
  // What the kernel says of a socket; AF_UNSPEC where it says nothing.
  static Address local_of(int fd);
  static Address peer_of(int fd);
  static Address from(const sockaddr* address, socklen_t length);

  int family() const { return storage_.base.sa_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  bool is_loopback() const;  // 127/8, ::1, any Unix socket
  const sockaddr* data() const { return &storage_.base; }
  socklen_t size() const { return size_; }

  uint16_t port() const;     // 0 for Unix
  std::string host() const;  // the IP literal without brackets, or the path
  std::string path() const;  // of a Unix socket in the file system, else empty
  // The form that parse() reads: "1.2.3.4:80", "[::1]:80", "unix:/run/x.sock".
  std::string to_string() const;

  bool operator==(const Address& other) const;

 private:
  union {
    sockaddr base;
    sockaddr_un local;
    sockaddr_storage any;
  } storage_{};
  socklen_t size_ = 0;
};

}  // namespace mesh::net

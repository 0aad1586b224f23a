#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/text.h"

namespace mesh::net {
namespace {

Error bad(std::string_view text) {
  return {Errc::Invalid,
          "expected IP:PORT, [IPv6]:PORT, unix:PATH or a path, not " + text::quoted(text)};
}

const sockaddr_in& v4(const sockaddr* a) { return *reinterpret_cast<const sockaddr_in*>(a); }
const sockaddr_in6& v6(const sockaddr* a) { return *reinterpret_cast<const sockaddr_in6*>(a); }

}  // namespace

Address Address::from(const sockaddr* address, socklen_t length) {
  Address out;
  if (length > sizeof out.storage_) return out;
  std::memcpy(&out.storage_, address, length);
  out.size_ = length;
  return out;
}

Result<Address> Address::parse(std::string_view text) {
  if (text.starts_with("unix:")) return unix_path(text.substr(5));
  if (text.starts_with('/') || text.starts_with("./") || text.starts_with('@'))
    return unix_path(text);
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad(text);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']') || host.find(':') == std::string_view::npos) return bad(text);
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad(text);  // an IPv6 literal needs its brackets
  }
  const auto port = text::parse_uint(text.substr(colon + 1), 65535);
  if (!port) return bad(text);
  return ip(host, uint16_t(*port));
}

Result<Address> Address::ip(std::string_view host, uint16_t port) {
  const std::string name(host == "localhost" ? "127.0.0.1" : host);
  sockaddr_in in4{};
  if (inet_pton(AF_INET, name.c_str(), &in4.sin_addr) == 1) {
    in4.sin_family = AF_INET;
    in4.sin_port = htons(port);
    return from(reinterpret_cast<const sockaddr*>(&in4), sizeof in4);
  }
  sockaddr_in6 in6{};
  if (inet_pton(AF_INET6, name.c_str(), &in6.sin6_addr) == 1) {
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    return from(reinterpret_cast<const sockaddr*>(&in6), sizeof in6);
  }
  return Error{Errc::Invalid, "expected an IP address or localhost, not " + text::quoted(host)};
}

Result<Address> Address::unix_path(std::string_view path) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof un.sun_path ||
      path.find('\0') != std::string_view::npos)
    return Error{Errc::Invalid,
                 "the path of a Unix socket has 1 to 107 bytes, not " + text::quoted(path)};
  std::memcpy(un.sun_path, path.data(), path.size());
  const bool abstract = path.front() == '@';
  if (abstract) un.sun_path[0] = '\0';
  const size_t size = offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1);
  return from(reinterpret_cast<const sockaddr*>(&un), socklen_t(size));
}

Address Address::local_of(int fd) {
  sockaddr_storage any{};
  socklen_t size = sizeof any;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&any), &size) != 0) return {};
  return from(reinterpret_cast<const sockaddr*>(&any), size);
}

Address Address::peer_of(int fd) {
  sockaddr_storage any{};
  socklen_t size = sizeof any;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&any), &size) != 0) return {};
  return from(reinterpret_cast<const sockaddr*>(&any), size);
}

bool Address::is_loopback() const {
  switch (family()) {
    case AF_INET: return (ntohl(v4(data()).sin_addr.s_addr) >> 24) == 127;
    case AF_INET6: return IN6_IS_ADDR_LOOPBACK(&v6(data()).sin6_addr) != 0;
    case AF_UNIX: return true;
    default: return false;
  }
}

uint16_t Address::port() const {
  switch (family()) {
    case AF_INET: return ntohs(v4(data()).sin_port);
    case AF_INET6: return ntohs(v6(data()).sin6_port);
    default: return 0;
  }
}

std::string Address::host() const {
  char text[INET6_ADDRSTRLEN] = "";
  switch (family()) {
    case AF_INET: inet_ntop(AF_INET, &v4(data()).sin_addr, text, sizeof text); return text;
    case AF_INET6: inet_ntop(AF_INET6, &v6(data()).sin6_addr, text, sizeof text); return text;
    case AF_UNIX: {
      const size_t head = offsetof(sockaddr_un, sun_path);
      if (size_ <= head) return "";  // an unnamed peer
      const char* const name = storage_.local.sun_path;
      const size_t length = size_ - head;
      if (name[0] == '\0') return "@" + std::string(name + 1, length - 1);
      return std::string(name, strnlen(name, length));
    }
    default: return "";
  }
}

std::string Address::path() const {
  if (!is_unix()) return "";
  std::string name = host();
  return name.starts_with('@') ? "" : name;
}

std::string Address::to_string() const {
  switch (family()) {
    case AF_INET: return host() + ":" + std::to_string(port());
    case AF_INET6: return "[" + host() + "]:" + std::to_string(port());
    case AF_UNIX: return "unix:" + host();
    default: return "-";
  }
}

bool Address::operator==(const Address& other) const {
  return size_ == other.size_ && std::memcmp(&storage_, &other.storage_, size_) == 0;
}

}  // namespace mesh::net

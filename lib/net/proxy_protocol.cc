#include "net/proxy_protocol.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"

namespace mesh::net {
namespace {

using Status = ProxyHeader::Status;

constexpr std::string_view kV1 = "PROXY ";
constexpr std::string_view kV2("\r\n\r\n\0\r\nQUIT\n", 12);

bool begins(std::string_view bytes, std::string_view with) {
  const size_t n = std::min(bytes.size(), with.size());
  return bytes.substr(0, n) == with.substr(0, n);
}

// A number without sign or leading zero.
bool read_port(std::string_view text, uint16_t& port) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return false;
  const auto value = text::parse_uint(text, 65535);
  if (!value) return false;
  port = uint16_t(*value);
  return true;
}

bool read_address(std::string_view ip, std::string_view port, int family, Address& into) {
  uint16_t number = 0;
  in6_addr scratch;
  const std::string name(ip);
  if (inet_pton(family, name.c_str(), &scratch) != 1 || !read_port(port, number)) return false;
  auto address = Address::ip(name, number);
  if (!address) return false;
  into = *address;
  return true;
}

Status parse_v1(std::string_view bytes, ProxyHeader& into) {
  const size_t end = bytes.substr(0, ProxyHeader::kV1BytesMax).find('\n');
  if (end == std::string_view::npos)
    return bytes.size() >= ProxyHeader::kV1BytesMax ? Status::Malformed : Status::Partial;
  if (end == 0 || bytes[end - 1] != '\r') return Status::Malformed;
  std::string_view line = bytes.substr(0, end - 1);
  into.bytes = end + 1;
  into.version = 1;
  line.remove_prefix(kV1.size());
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return Status::Complete;
  const auto words = text::split(line, ' ');
  if (words.size() != 5) return Status::Malformed;
  const int family = words[0] == "TCP4" ? AF_INET : words[0] == "TCP6" ? AF_INET6 : AF_UNSPEC;
  if (family == AF_UNSPEC || !read_address(words[1], words[3], family, into.source) ||
      !read_address(words[2], words[4], family, into.destination))
    return Status::Malformed;
  return Status::Complete;
}

uint16_t port_at(std::string_view bytes, size_t at) {
  return uint16_t(uint8_t(bytes[at]) << 8 | uint8_t(bytes[at + 1]));
}

Address ip_at(std::string_view bytes, size_t at, size_t size, uint16_t port) {
  if (size == 4) {
    sockaddr_in in4{};
    in4.sin_family = AF_INET;
    in4.sin_port = htons(port);
    std::memcpy(&in4.sin_addr, bytes.data() + at, 4);
    return Address::from(reinterpret_cast<const sockaddr*>(&in4), sizeof in4);
  }
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  std::memcpy(&in6.sin6_addr, bytes.data() + at, 16);
  return Address::from(reinterpret_cast<const sockaddr*>(&in6), sizeof in6);
}

Status parse_v2(std::string_view bytes, ProxyHeader& into) {
  if (bytes.size() < 16) return Status::Partial;
  const auto kind = uint8_t(bytes[12]);
  const auto family = uint8_t(bytes[13]);
  const size_t length = port_at(bytes, 14);
  if (kind >> 4 != 2 || (kind & 15) > 1 || 16 + length > ProxyHeader::kV2BytesMax)
    return Status::Malformed;
  if (bytes.size() < 16 + length) return Status::Partial;
  into.version = 2;
  into.bytes = 16 + length;
  const std::string_view body = bytes.substr(16, length);
  if ((kind & 15) == 0) return Status::Complete;  // LOCAL: whatever follows is skipped
  if (family >> 4 > 3 || (family & 15) > 2) return Status::Malformed;
  const size_t size = family >> 4 == 1 ? 4 : family >> 4 == 2 ? 16 : 0;
  if ((family & 15) == 2) return Status::Malformed;  // datagrams do not come over TCP
  if (size == 0 || (family & 15) == 0) return Status::Complete;
  if (length < 2 * size + 4) return Status::Malformed;
  into.source = ip_at(body, 0, size, port_at(body, 2 * size));
  into.destination = ip_at(body, size, size, port_at(body, 2 * size + 2));
  // What follows are TLVs, whose lengths must fit.
  for (size_t at = 2 * size + 4; at < length;) {
    if (length - at < 3) return Status::Malformed;
    const size_t value = port_at(body, at + 1);
    if (length - at - 3 < value) return Status::Malformed;
    at += 3 + value;
  }
  return Status::Complete;
}

}  // namespace

Status ProxyHeader::parse(std::string_view bytes, ProxyHeader& into) {
  into = {};
  const bool v1 = begins(bytes, kV1);
  const bool v2 = begins(bytes, kV2);
  if (!v1 && !v2) return Status::None;
  if (bytes.size() < (v1 ? kV1 : kV2).size()) return Status::Partial;
  return v1 ? parse_v1(bytes, into) : parse_v2(bytes, into);
}

std::string ProxyHeader::make(uint8_t version, const Address& source, const Address& destination) {
  const int family = source.family();
  const bool known = family == destination.family() && (family == AF_INET || family == AF_INET6);
  if (version == 1) {
    if (!known) return "PROXY UNKNOWN\r\n";
    return std::string("PROXY ") + (family == AF_INET ? "TCP4 " : "TCP6 ") + source.host() + " " +
           destination.host() + " " + std::to_string(source.port()) + " " +
           std::to_string(destination.port()) + "\r\n";
  }
  std::string out(kV2);
  if (!known) return out += std::string_view("\x20\0\0\0", 4);
  const size_t size = family == AF_INET ? 4 : 16;
  const size_t offset =
      family == AF_INET ? offsetof(sockaddr_in, sin_addr) : offsetof(sockaddr_in6, sin6_addr);
  out += '\x21';
  out += family == AF_INET ? '\x11' : '\x21';
  out += '\0';
  out += char(2 * size + 4);
  for (const Address* a : {&source, &destination})
    out.append(reinterpret_cast<const char*>(a->data()) + offset, size);
  for (const Address* a : {&source, &destination}) {
    out += char(a->port() >> 8);
    out += char(a->port() & 255);
  }
  return out;
}

}  // namespace mesh::net

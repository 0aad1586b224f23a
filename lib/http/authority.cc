#include "http/authority.h"

#include <array>
#include <charconv>

#include "base/text.h"

namespace mesh::http {
namespace {

// unreserved and sub-delims of RFC 3986.
constexpr std::array<bool, 256> kHostByte = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("-._~!$&'()*+,;=0123456789abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    table[uint8_t(c)] = true;
  return table;
}();

constexpr bool hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// The last 32 bits of an IPv6 address may be written as an IPv4 address.
bool valid_ipv4(std::string_view s) {
  int parts = 0;
  for (const std::string_view part : text::split(s, '.')) {
    unsigned n = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), n);
    if (error != std::errc{} || end != part.data() + part.size() || n > 255 || part.size() > 3)
      return false;
    if (part.size() > 1 && part[0] == '0') return false;
    ++parts;
  }
  return parts == 4;
}

// RFC 4291 section 2.2: groups of 1 to 4 digits, "::" at most once.
bool valid_ipv6(std::string_view s) {
  if (s.size() < 2 || s.size() > 45) return false;
  int groups = 0;
  bool gap = false;
  size_t i = 0;
  if (s.starts_with("::")) {
    gap = true;
    i = 2;
  }
  while (i < s.size()) {
    size_t end = i;
    while (end < s.size() && hex_digit(s[end])) ++end;
    if (end < s.size() && s[end] == '.') {
      if (!valid_ipv4(s.substr(i))) return false;
      groups += 2;
      break;
    }
    if (end == i || end - i > 4) return false;
    ++groups;
    if (end == s.size()) break;
    if (s[end] != ':' || end + 1 == s.size()) return false;
    i = end + 1;
    if (s[i] == ':') {
      if (gap) return false;
      gap = true;
      ++i;
    }
  }
  return gap ? groups < 8 : groups == 8;
}

// 1 to 65535, no leading zero; 0 when it is not that.
uint16_t port_of(std::string_view s) {
  if (s.empty() || s.size() > 5 || s[0] == '0') return 0;
  uint32_t n = 0;
  for (const char c : s) {
    if (c < '0' || c > '9') return 0;
    n = n * 10 + uint32_t(c - '0');
  }
  return n <= 65535 ? uint16_t(n) : uint16_t(0);
}

bool split_authority(std::string_view s, Authority& out) {
  std::string_view rest;
  if (s.starts_with('[')) {
    const size_t close = s.find(']');
    if (close == s.npos) return false;
    out.host = s.substr(1, close - 1);
    if (!valid_ipv6(out.host)) return false;
    rest = s.substr(close + 1);
  } else {
    size_t n = 0;
    while (n < s.size() && kHostByte[uint8_t(s[n])]) ++n;
    if (n == 0 || n > 255) return false;
    out.host = s.substr(0, n);
    rest = s.substr(n);
  }
  out.port = 0;
  if (rest.empty()) return true;
  if (rest[0] != ':') return false;
  out.port = port_of(rest.substr(1));
  return out.port != 0;
}

}  // namespace

Result<Authority> parse_authority(std::string_view s) {
  Authority authority;
  if (!split_authority(s, authority))
    return Error{Errc::Invalid, "expected host or host:port, got " + text::quoted(s)};
  return authority;
}

bool valid_authority(std::string_view s) {
  Authority ignored;
  return split_authority(s, ignored);
}

bool valid_connect_authority(std::string_view s) {
  Authority authority;
  return split_authority(s, authority) && authority.port != 0;
}

}  // namespace mesh::http

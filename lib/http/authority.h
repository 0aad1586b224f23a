// The authority of a request target: host and port (RFC 3986 section 3.2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::http {

struct Authority {
  std::string_view host;  // as written; an IPv6 address without its brackets
  uint16_t port = 0;      // 0: none was given
};

// Strict: reg-name of unreserved and sub-delims without percent-encoding, an
// IPv4 address, or an IPv6 address in brackets; then optionally ":" and 1 to
// 65535 without leading zeros. No user information. The view points into `s`.
Result<Authority> parse_authority(std::string_view s);

// The same test without the parts, for a codec's hot path.
bool valid_authority(std::string_view s);
// Of CONNECT: with a port (RFC 9110 section 9.3.6).
bool valid_connect_authority(std::string_view s);

}  // namespace mesh::http

// SessionCookie: what the cookie of a sticky session holds: the host's address.
//
// envoy.Cookie of Envoy's "Cookie-based stateful session state" in base64: address
// (bytes, 1), expires (varint, 2: seconds of the epoch). Pure; input from clients.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace mesh::http {

inline constexpr size_t kSessionAddressMax = 256;  // bytes

// `expires` 0: it does not.
std::string session_cookie(std::string_view address, std::chrono::seconds expires);
// The address; empty where the cookie holds none, or is over at `now`.
std::string session_address(std::string_view cookie, std::chrono::seconds now);

}  // namespace mesh::http

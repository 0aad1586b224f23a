// Hosts and ports as authorities and settings have them, loosely.
#pragma once

#include <string_view>

namespace mesh {

// "host:80", "[::1]:80" without the port: "host", "[::1]". An IPv6 address without brackets has
// none. What is behind the colon and no number is no port. Never fails; a view of `authority`.
std::string_view without_port(std::string_view authority);
// The same without the brackets of an IPv6 address.
std::string_view bare_host(std::string_view authority);

}  // namespace mesh

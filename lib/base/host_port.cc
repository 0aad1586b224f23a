#include "base/host_port.h"

#include <algorithm>

namespace mesh {

std::string_view without_port(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos) return authority;
  const std::string_view host = authority.substr(0, colon);
  const bool bare = host.find(':') != std::string_view::npos && !host.ends_with(']');
  const std::string_view port = authority.substr(colon + 1);
  const bool number =
      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  return bare || !number ? authority : host;
}

std::string_view bare_host(std::string_view authority) {
  const std::string_view host = without_port(authority);
  return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

}  // namespace mesh

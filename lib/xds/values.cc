#include "xds/values.h"

namespace mesh::xds {

std::string to_string(const SocketAddress& address) {
  if (!address.path.empty()) return address.path;
  const std::string port = std::to_string(address.port);
  if (address.host.find(':') != std::string::npos) return "[" + address.host + "]:" + port;
  return address.host + ":" + port;
}

}  // namespace mesh::xds

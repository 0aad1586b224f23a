#include "grpc/peer.h"

#include <sys/socket.h>

namespace mesh::grpc {

std::string Peer::text() const {
  if (!identity.empty()) return identity;
  return uid ? "uid " + std::to_string(*uid) : address.to_string();
}

Peer peer_of(int fd) {
  Peer peer;
  peer.address = net::Address::peer_of(fd);
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (net::Address::local_of(fd).is_unix() &&
      getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0)
    peer.uid = credentials.uid;
  return peer;
}

}  // namespace mesh::grpc

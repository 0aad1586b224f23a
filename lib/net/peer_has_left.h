// What a socket that nobody reads from has to say of its peer.
#pragma once

namespace mesh::net {

// Has the peer closed (or reset) a connection nobody reads from at present?
bool peer_has_left(int fd);

}  // namespace mesh::net

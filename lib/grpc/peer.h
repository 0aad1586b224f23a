// Peer: who is at the other end of a connection, by what cannot be forged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/address.h"

namespace mesh::grpc {

struct Peer {
  net::Address address{};
  std::optional<uint32_t> uid{};  // of a Unix socket's peer (SO_PEERCRED)
  std::string identity{};         // its verified SPIFFE identity; empty: none
  bool secure = false;            // under TLS
  // For logs: the identity, else "uid 1000", else the address.
  std::string text() const;
};

// Of a connected socket; the identity is the TLS stream's to say.
Peer peer_of(int fd);

}  // namespace mesh::grpc

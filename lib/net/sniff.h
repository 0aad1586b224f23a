// Sniff: does a connection begin with a TLS ClientHello?
//
// Looks without taking (MSG_PEEK), so that what follows reads from the first
// byte. Three bytes decide (RFC 8446 section 5.1: handshake record, major
// version 3); the caller bounds the wait for them.
#pragma once

#include <cstdint>

namespace mesh::net {

enum class Sniffed : uint8_t {
  Tls,
  Plain,
  Unknown,  // too few bytes: ask again when readable
  Gone,     // the peer left without a word
};

Sniffed sniff(int fd);

// Has the peer closed (or reset) a connection nobody reads from at present?
bool peer_has_left(int fd);

}  // namespace mesh::net

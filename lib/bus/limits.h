// The bounds of the bus. mesh-bus(7), LIMITS.
#pragma once

#include <cstddef>

#include "base/clock.h"

namespace mesh::bus {

struct Limits {
  // A payload. libzmq hangs up on a frame over twice this; between the two the
  // message is counted and refused by name.
  size_t payload_bytes_max = 64 * 1024 * 1024;
  // A watch response holds as many resources as fit, at least one. While the unanswered
  // ones of all watches are as many bytes as the second says, they are as small as the
  // third: what a thousand watchers are sent at once is not in memory at once.
  size_t response_bytes_max = 1024 * 1024;
  size_t unanswered_bytes_max = 16 * 1024 * 1024;
  size_t response_bytes_least = 16 * 1024;
  size_t messages_a_turn_max = 64;  // then other work of the loop has its turn
  int queued_messages_max = 256;    // a connection and direction (libzmq's HWM)
  size_t peers_max = 1024;          // connections that a server keeps state for
  size_t watches_a_peer_max = 16;
  size_t calls_a_peer_max = 128;       // not answered yet
  size_t names_a_watch_max = 500'000;  // subscribed, held or pending
  size_t name_bytes_max = 1024;        // a resource's name, version or generation
  size_t calls_waiting_max = 1024;     // client: sent or not
  size_t reports_waiting_max = 64;     // client: keys, while the server is away
  size_t reports_bytes_max = 4 * 1024 * 1024;
  // With fewer free, or less than half of all, a server takes no new clients.
  size_t descriptors_reserved = 64;
  // Three renewals may be late or lost: a busy host is not a dead one.
  Duration lease_renew = std::chrono::seconds(2);
  Duration lease_lapse = std::chrono::seconds(6);
  // Silent for longer, a client with watches is sent an empty lease: where its
  // process is dead the connection is too, and it is gone at once.
  Duration lease_probe = std::chrono::seconds(1);
};

}  // namespace mesh::bus

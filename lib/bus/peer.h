// Peer: who sent a message, in the kernel's words.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mesh::bus {

// From SO_PEERCRED of the connection; a client cannot forge it. The uid and gid
// are sound. The pid is of the process that connected, which may be gone while
// another uses its socket: for log lines only.
struct Peer {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t pid = 0;

  friend bool operator==(const Peer&, const Peer&) = default;
};

// Who may send a message of a type.
enum class Allow : uint8_t {
  Anyone,    // whoever the socket's mode lets connect
  Workload,  // the uids of Access::workloads, and operators
  Operator,  // the daemon's own uid, root, the uids of Access::operators
};

struct Access {
  uint32_t own_uid = 0;
  std::vector<uint32_t> operators;
  // Empty: every peer may act as a workload; which one is the daemon's to say.
  std::vector<uint32_t> workloads;

  bool allows(Allow level, const Peer& peer) const;
};

// libzmq's "Peer-Address" of an ipc connection, "localhost:UID:GID:PID".
// Anything else, and an absent property, is Errc::Refused: fail closed.
Result<Peer> parse_peer_address(const char* property);

}  // namespace mesh::bus

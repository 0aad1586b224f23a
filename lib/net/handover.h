// Handover: listening sockets from one process to another, or from systemd.
//
// Between processes over a Unix socket of packets: one packet a listener, its
// descriptor beside it (SCM_RIGHTS, unix(7)), then "end". The taker says "ready"
// when it accepts; the giver then stops, and closes the connection when the path
// is free. Only our own user and root are talked to.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "net/listener.h"

namespace mesh::net::handover {

inline constexpr size_t kListenersMax = 1024;

// Listens for takers at `path` ("@name" is abstract). Errc::Unavailable where
// another answers there.
Result<UniqueFd> listen(const std::string& path);

// One taker from the queue; empty where none waits. A stranger is refused.
Result<UniqueFd> accept(int listener);

// Sends all of them. Does not block: what the taker does not take at once is an error.
Result<void> give(int taker, const std::vector<ListenerSet::Entry>& entries);

// Whether the taker is ready; Errc::Closed: it went. Non-blocking: false when
// nothing was said yet.
Result<bool> said_ready(int taker);

struct Taken {
  std::vector<Inherited> sockets;
  UniqueFd giver;  // say ready() on it
};
// From the process that listens at `path`. Errc::NotFound: nobody does. Blocks, for at most
// `longest`.
Result<Taken> take(const std::string& path, Duration longest);
void say_ready(int giver);

// Of systemd's socket activation (sd_listen_fds(3)): LISTEN_FDS and LISTEN_FDNAMES,
// which are removed from the environment. Empty where it is not meant for us.
// Before the first thread.
Result<std::vector<Inherited>> from_systemd();

}  // namespace mesh::net::handover

// The process's one libzmq context: two threads, shared by all sockets.
#pragma once

#include "base/result.h"

namespace mesh::bus {

// libzmq's threads are dear and a process has a server and several clients, so
// they share a context, made for the first socket and ended with the last.
// Any thread.
Result<void*> acquire_context();
void release_context();

}  // namespace mesh::bus

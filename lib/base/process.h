// Other processes, by the ids that the kernel gives them.
#pragma once

#include <cstdint>

namespace mesh {

// Whether the process has ended; one that nobody has waited for yet has, too. False
// where that cannot be told, and of 0. The id may be another process's by now. Any
// thread. pidfd_open(2).
bool process_ended(uint32_t pid);

}  // namespace mesh

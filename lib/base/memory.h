// Memory: how much this process has.
#pragma once

#include <cstdint>

namespace mesh {

// Of this process, in RAM. 0 where the kernel does not tell.
uint64_t resident_bytes();

}  // namespace mesh

// What nghttp2 allocates: blocks kept for reuse, by size, for each thread.
//
// Each stream costs nghttp2 half a dozen small blocks, and a turn with many
// streams takes them all before it gives the first one back, which malloc's own
// cache is too short for. Bounded; larger blocks are malloc's.
#pragma once

#include <nghttp2/nghttp2.h>

namespace mesh::http2 {

// Blocks may be freed on another thread, whose they then are.
nghttp2_mem* memory();

}  // namespace mesh::http2

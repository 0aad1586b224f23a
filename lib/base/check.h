// MESH_CHECK: an invariant of our own, checked in every build.
//
// For what only a bug of ours can break. Never for input: bytes, messages and
// files of others get a Result.
#pragma once

namespace mesh {

// Logs the broken condition with its place and aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace mesh

#define MESH_CHECK(condition)                        \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? void(0)                                     \
       : ::mesh::check_failed(#condition, __FILE__, __LINE__))

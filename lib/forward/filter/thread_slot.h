// thread_slot: a small number for each thread, so that what filters share is written by
// one thread each.
#pragma once

#include <atomic>
#include <cstddef>

namespace mesh::forward::filter {

// From 0, in the order in which threads first ask; the same for the life of the thread.
inline size_t thread_slot() {
  static std::atomic<size_t> next{0};
  static thread_local const size_t slot = next.fetch_add(1, std::memory_order_relaxed);
  return slot;
}

}  // namespace mesh::forward::filter

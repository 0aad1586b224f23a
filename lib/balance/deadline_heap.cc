#include "balance/deadline_heap.h"

#include <utility>

namespace mesh::balance {
namespace {

// Times are moved back to the origin before their steps get lost in rounding.
constexpr double kRebaseAt = 1e6;

}  // namespace

void DeadlineHeap::build(std::span<const double> weights, Random& random) {
  heap_.clear();
  heap_.reserve(weights.size());
  now_ = 0;
  for (uint32_t i = 0; i < weights.size(); ++i)
    heap_.push_back({random.unit() / weights[i], weights[i], i});
  for (size_t i = heap_.size() / 2; i-- > 0;) sift_down(i);
}

void DeadlineHeap::reweigh(std::span<const double> weights) {
  for (Due& due : heap_) {
    const double weight = weights[due.index];
    due.at = now_ + (due.at - now_) * due.weight / weight;
    due.weight = weight;
  }
  for (size_t i = heap_.size() / 2; i-- > 0;) sift_down(i);
}

uint32_t DeadlineHeap::next() {
  Due& first = heap_.front();
  const uint32_t picked = first.index;
  now_ = first.at;
  first.at += 1.0 / first.weight;
  sift_down(0);
  if (now_ > kRebaseAt) {
    for (Due& due : heap_) due.at -= now_;
    now_ = 0;
  }
  return picked;
}

void DeadlineHeap::sift_down(size_t i) {
  for (;;) {
    size_t least = i;
    for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < heap_.size(); ++child)
      if (before(heap_[child], heap_[least])) least = child;
    if (least == i) return;
    std::swap(heap_[i], heap_[least]);
    i = least;
  }
}

}  // namespace mesh::balance

#include "forward/span_relay.h"

#include <utility>

namespace mesh::forward {

void SpanRelay::push(telemetry::SpanBatch batch) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kWaitingMax) {
      dropped_ += batch.size();
      return;
    }
    waiting_.push_back(std::move(batch));
    if (waiting_.size() > 1) return;  // the task is on its way
  }
  loop_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) deliver();
  });
}

void SpanRelay::deliver() {
  std::deque<telemetry::SpanBatch> batches;
  {
    const std::lock_guard lock(mutex_);
    batches.swap(waiting_);
  }
  uint64_t dropped = 0;
  for (const telemetry::SpanBatch& batch : batches) {
    const size_t given_up = report_ ? report_(batch) : batch.size();
    dropped += given_up;
    sent_ += batch.size() - given_up;
  }
  const std::lock_guard lock(mutex_);
  dropped_ += dropped;
}

void SpanRelay::add_numbers(telemetry::Snapshot& into) const {
  uint64_t dropped = 0;
  {
    const std::lock_guard lock(mutex_);
    dropped = dropped_;
  }
  if (sent_ + dropped == 0) return;
  into.numbers[{"envoy_tracing_opentelemetry_spans_sent", {}, false}] += sent_;
  into.numbers[{"envoy_tracing_opentelemetry_spans_dropped", {}, false}] += dropped;
}

}  // namespace mesh::forward

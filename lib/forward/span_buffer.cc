#include "forward/span_buffer.h"

#include <utility>

namespace mesh::forward {

telemetry::SpanBatch& SpanBuffer::batch(const xds::SpanPolicy& policy) {
  if (batch_ && (batch_->full() || batch_->service() != policy.service ||
                 batch_->collector() != policy.collector.cluster))
    flush();
  if (!batch_) {
    batch_.emplace(policy.service, policy.collector.cluster);
    deadline_.arm(kKept);
  }
  return *batch_;
}

void SpanBuffer::flush() {
  deadline_.cancel();
  if (!batch_) return;
  relay_.push(std::move(*batch_));
  batch_.reset();
}

}  // namespace mesh::forward

// SpanRelay: spans on their way from the workers to who reports them.
//
// Workers hand over whole batches; what waits for the main thread is bounded. Over that, and
// where nobody takes them, spans are dropped and counted. push() from any thread; the rest
// belongs to the main thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "event/loop.h"
#include "telemetry/registry.h"
#include "telemetry/span.h"

namespace mesh::forward {

class SpanRelay {
 public:
  static constexpr size_t kWaitingMax = 16;  // batches

  // Returns how many spans of the batch it had to give up.
  using Report = std::function<size_t(const telemetry::SpanBatch& batch)>;

  explicit SpanRelay(event::Loop& loop) : loop_(loop) {}  // outlives us
  SpanRelay(const SpanRelay&) = delete;
  SpanRelay& operator=(const SpanRelay&) = delete;

  void report_by(Report report) { report_ = std::move(report); }
  void push(telemetry::SpanBatch batch);

  // envoy_tracing_opentelemetry_spans_sent and _dropped, once there was a span.
  void add_numbers(telemetry::Snapshot& into) const;

 private:
  void deliver();

  event::Loop& loop_;
  Report report_;
  uint64_t sent_ = 0;
  mutable std::mutex mutex_;
  std::deque<telemetry::SpanBatch> waiting_;  // under it, as
  uint64_t dropped_ = 0;                      // is this
  // Tasks that were posted look at it: gone with us.
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace mesh::forward

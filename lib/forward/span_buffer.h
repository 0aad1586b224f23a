// SpanBuffer: one worker's spans, gathered until there are enough of them or a second has
// passed. One thread.
#pragma once

#include <optional>

#include "event/wheel.h"
#include "forward/span_relay.h"
#include "xds/span_policy.h"

namespace mesh::forward {

class SpanBuffer final : private event::Deadline::Owner {
 public:
  static constexpr Duration kKept = std::chrono::seconds(1);

  // Both outlive us.
  SpanBuffer(event::Wheel& wheel, SpanRelay& relay) : relay_(relay), deadline_(wheel, *this) {}

  // The batch with room for one span of that policy.
  telemetry::SpanBatch& batch(const xds::SpanPolicy& policy);
  // What is there goes to the relay.
  void flush();

 private:
  void on_deadline(event::Deadline&) override { flush(); }

  SpanRelay& relay_;
  std::optional<telemetry::SpanBatch> batch_;
  event::Deadline deadline_;
};

}  // namespace mesh::forward

// Exporter: spans that wait for a collector.
//
// One request at a time; what comes meanwhile goes with the next. What waits is bounded: over
// that, what comes is dropped. A collector that is away is tried again after pauses that grow,
// with jitter, and at last the request is given up. Nothing here holds anybody up. One loop,
// its thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "event/loop.h"
#include "event/timer.h"
#include "otlp/sender.h"

namespace opentelemetry::proto::trace::v1 {
class ResourceSpans;
}  // namespace opentelemetry::proto::trace::v1

namespace mesh::otlp {

class Exporter {
 public:
  static constexpr size_t kBatchSpans = 2048;  // of a request, but for the last report in it
  static constexpr size_t kWaitingBytesMax = 32UL << 20;
  static constexpr Duration kPauseMin = std::chrono::seconds(1);
  static constexpr Duration kPauseMax = std::chrono::seconds(30);
  static constexpr Duration kGiveUpAfter = std::chrono::minutes(5);

  struct Counts {
    uint64_t received = 0;  // spans, as the next
    uint64_t exported = 0;  // the collector took them
    uint64_t rejected = 0;  // it did not, and never will
    uint64_t dropped = 0;   // there was no room, or no collector for too long
    uint64_t failed = 0;    // requests, each try
  };

  // `spans_max` may wait. The loop outlives us.
  Exporter(event::Loop& loop, std::unique_ptr<Sender> sender, size_t spans_max,
           Random random = Random::from_system());
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  // `count` spans.
  void add(opentelemetry::proto::trace::v1::ResourceSpans spans, size_t count);
  const Counts& counts() const { return counts_; }
  size_t waiting() const { return waiting_spans_; }
  // `done` runs once nothing waits, at the latest after `longest`, and at once where the
  // collector takes nothing; what is left then is dropped.
  void finish(Duration longest, std::function<void()> done);

 private:
  struct Report {
    std::string bytes;  // an ExportTraceServiceRequest: those of several are one's, end to end
    size_t spans = 0;
  };

  void send_next();
  void send();
  void on_outcome(const Outcome& outcome);
  void give_up(uint64_t& as);
  void note(bool works, const std::string& why);
  void finish_now();

  event::Loop& loop_;
  const std::unique_ptr<Sender> sender_;
  const size_t spans_max_;
  Random random_;
  std::deque<Report> waiting_;
  size_t waiting_spans_ = 0;  // of the present request too
  size_t waiting_bytes_ = 0;
  Report now_;       // the present request; no spans: there is none
  Instant began_{};  // it was sent first
  uint32_t tries_ = 0;
  bool works_ = true;  // the last thing that was said
  Counts counts_;
  event::Timer pause_;
  event::Timer finish_;
  std::function<void()> finished_;
};

}  // namespace mesh::otlp

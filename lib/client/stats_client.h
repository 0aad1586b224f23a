// StatsClient: how a forwarder tells statsd what it counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "client/stub.h"
#include "telemetry/registry.h"
#include "telemetry/span.h"

namespace mesh::client {

class StatsClient : private Stub {
 public:
  // `name` is "reviews@host"; `boot_id` another for each start of the process,
  // not 0.
  StatsClient(bus::Client& client, std::string name, uint64_t boot_id);

  // Tells statsd the totals so far: every second, and once more at the end.
  // While statsd is away the newest report waits; nothing is lost, since each
  // holds everything. Collect all workers' registries into one snapshot first.
  void report(const telemetry::Snapshot& totals);

  // Tells statsd of spans; `version` is our program's. Returns how many had to be given up: all
  // while statsd is away, or those of a report that this one took the place of.
  size_t report(const telemetry::SpanBatch& spans, std::string_view version);

 private:
  // Reports of spans that wait for room in the queue.
  static constexpr size_t kSpanReportsWaitingMax = 4;

  const std::string name_;
  const uint64_t boot_id_;
  uint64_t seq_ = 0;
  uint64_t span_reports_ = 0;
};

}  // namespace mesh::client

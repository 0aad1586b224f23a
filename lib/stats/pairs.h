// Pairs: who called whom, from the totals: what `mesh top` shows.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "base/clock.h"
#include "telemetry/registry.h"

namespace mesh::stats {

struct PairKey {
  std::string source;  // workload; "unknown" where it has none
  std::string source_namespace;
  std::string destination;  // service
  std::string destination_namespace;
  auto operator<=>(const PairKey&) const = default;
};

struct PairTotals {
  uint64_t requests = 0;
  uint64_t failures = 0;  // 5xx, no answer, or a gRPC status other than 0
  telemetry::HistogramTotals duration;
};

using Pairs = std::map<PairKey, PairTotals>;

// Each request once: where it was sent, or, when its client reports nothing (it is
// outside of the mesh, without an identity or with one that no reporting forwarder
// has), where it was received.
Pairs pairs_of(const telemetry::Snapshot& totals);

// True for a series of requests that failed.
bool failed(const telemetry::Labels& labels);

// `now` without what was there `before`.
PairTotals since(const PairTotals& now, const PairTotals& before);

// The pairs of the last seconds, to tell what is new. At most kLength samples.
class Window {
 public:
  static constexpr Duration kLength = std::chrono::seconds(10);

  // Call it once a second.
  void add(Pairs pairs, Instant now);

  // The oldest sample kept, and its age; empty and zero while there is none.
  const Pairs& oldest() const;
  Duration age(Instant now) const;

 private:
  struct Sample {
    Instant at;
    Pairs pairs;
  };
  std::deque<Sample> samples_;
};

}  // namespace mesh::stats

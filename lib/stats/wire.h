// Wire: totals as messages.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "telemetry/registry.h"

namespace mesh::statsd::v1 {
class Histogram;
class Totals;
}  // namespace mesh::statsd::v1

namespace mesh::stats {

// A message's bounds: what is over them is refused whole.
inline constexpr size_t kSeriesAMessageMax = 20'000;
inline constexpr size_t kLabelBytesMax = 1024;  // a value; longer ones are cut
inline constexpr size_t kNumberLabelsMax = 16;

// Appends to an empty message.
void encode(const telemetry::Snapshot& totals, statsd::v1::Totals& out);
void encode(const telemetry::HistogramTotals& totals, statsd::v1::Histogram& out);

// Errc::Invalid: a number that points nowhere, a label set or name that does
// not belong on a Prometheus page, too many buckets. Errc::TooBig: over the
// bounds. Labels that this version does not know are dropped.
Result<telemetry::Snapshot> decode(const statsd::v1::Totals& message);
Result<telemetry::HistogramTotals> decode(const statsd::v1::Histogram& message);

}  // namespace mesh::stats

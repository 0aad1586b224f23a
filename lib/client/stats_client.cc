#include "client/stats_client.h"

#include "mesh/spans.pb.h"
#include "mesh/statsd.pb.h"
#include "stats/spans.h"
#include "stats/wire.h"

namespace mesh::client {

StatsClient::StatsClient(bus::Client& bus, std::string name, uint64_t boot_id)
    : Stub(bus), name_(std::move(name)), boot_id_(boot_id) {}

void StatsClient::report(const telemetry::Snapshot& totals) {
  statsd::v1::Report report;
  report.set_name(name_);
  report.set_boot_id(boot_id_);
  report.set_seq(++seq_);
  stats::encode(totals, *report.mutable_totals());
  client().report(report);
}

size_t StatsClient::report(const telemetry::SpanBatch& spans, std::string_view version) {
  if (!client().up()) return spans.size();
  statsd::v1::SpanReport report;
  stats::encode(spans, version, *report.mutable_spans());
  const auto lost = [this] {
    return client().stats().reports_dropped + client().stats().reports_replaced;
  };
  const uint64_t before = lost();
  const uint64_t place = span_reports_++ % kSpanReportsWaitingMax;
  client().report(report, "spans-" + std::to_string(place));
  return lost() == before ? 0 : spans.size();
}

}  // namespace mesh::client

#include "client/stats_client.h"

#include "mesh/statsd.pb.h"
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

}  // namespace mesh::client

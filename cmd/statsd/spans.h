// Spans: those that forwarders report, on their way to a collector.
#pragma once

#include <memory>
#include <string>

#include "bus/server.h"
#include "event/loop.h"
#include "mesh/settings_statsd.pb.h"
#include "mesh/spans.pb.h"
#include "otlp/exporter.h"
#include "telemetry/registry.h"

namespace mesh::statsd {

class Spans {
 public:
  // While we end, for what is on its way.
  static constexpr Duration kFinish = std::chrono::seconds(2);

  Spans(event::Loop& loop, std::string config_dir)  // the loop outlives us
      : loop_(loop), config_dir_(std::move(config_dir)) {}

  // With other settings than before, what waits is dropped. Errors as otlp::make_sender().
  Result<void> use(const settings::v1::Statsd& settings);
  void take(const v1::SpanReport& report, const bus::Peer& peer);
  void finish(std::function<void()> done);
  // mesh_statsd_spans_*, once there was a span or a collector is named.
  void add_numbers(telemetry::Snapshot& into) const;

 private:
  event::Loop& loop_;
  const std::string config_dir_;
  settings::v1::Otlp in_use_;
  std::unique_ptr<otlp::Exporter> exporter_;
  otlp::Exporter::Counts before_;  // of exporters that are gone, and without any
  uint64_t refused_ = 0;           // reports
};

}  // namespace mesh::statsd

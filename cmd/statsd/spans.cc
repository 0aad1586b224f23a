#include "cmd/statsd/spans.h"

#include <google/protobuf/util/message_differencer.h>

#include "base/log.h"
#include "otlp/settings.h"
#include "stats/spans.h"

namespace mesh::statsd {
namespace {

otlp::Exporter::Counts sum(otlp::Exporter::Counts a, const otlp::Exporter::Counts& b) {
  a.received += b.received;
  a.exported += b.exported;
  a.rejected += b.rejected;
  a.dropped += b.dropped;
  a.failed += b.failed;
  return a;
}

}  // namespace

Result<void> Spans::use(const settings::v1::Statsd& settings) {
  using google::protobuf::util::MessageDifferencer;
  if (settings.has_otlp() == (exporter_ != nullptr) &&
      MessageDifferencer::Equals(settings.otlp(), in_use_))
    return {};
  std::unique_ptr<otlp::Exporter> fresh;
  if (settings.has_otlp()) {
    auto sender = otlp::make_sender(loop_, settings.otlp(), config_dir_);
    if (!sender) return std::move(sender).error().during("otlp");
    const uint32_t most = settings.otlp().spans_max();
    fresh = std::make_unique<otlp::Exporter>(loop_, *std::move(sender),
                                             most != 0 ? most : otlp::kSpansMax);
    log::info("exporting spans", {{"endpoint", settings.otlp().endpoint()}});
  }
  if (exporter_) {
    before_ = sum(before_, exporter_->counts());
    before_.dropped += exporter_->waiting();
  }
  exporter_ = std::move(fresh);
  in_use_ = settings.otlp();
  return {};
}

void Spans::take(const v1::SpanReport& report, const bus::Peer& peer) {
  const auto count = stats::check(report.spans());
  if (!count) {
    ++refused_;
    if ((refused_ & (refused_ - 1)) == 0)
      log::warning("spans refused",
                   {{"why", count.error().text}, {"uid", peer.uid}, {"refused", refused_}});
    return;
  }
  if (exporter_) return exporter_->add(report.spans(), *count);
  before_.received += *count;
  before_.dropped += *count;
}

void Spans::finish(std::function<void()> done) {
  if (!exporter_) return done();
  exporter_->finish(kFinish, std::move(done));
}

void Spans::add_numbers(telemetry::Snapshot& into) const {
  const auto counts = exporter_ ? sum(before_, exporter_->counts()) : before_;
  if (!exporter_ && counts.received == 0) return;
  const auto number = [&](const char* name, uint64_t value, bool gauge = false) {
    into.numbers[{name, {}, gauge}] = value;
  };
  number("mesh_statsd_spans_received_total", counts.received);
  number("mesh_statsd_spans_exported_total", counts.exported);
  number("mesh_statsd_spans_rejected_total", counts.rejected);
  number("mesh_statsd_spans_dropped_total", counts.dropped);
  number("mesh_statsd_span_exports_failed_total", counts.failed);
  number("mesh_statsd_spans_waiting", exporter_ ? exporter_->waiting() : 0, true);
}

}  // namespace mesh::statsd

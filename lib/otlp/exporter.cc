#include "otlp/exporter.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace mesh::otlp {

Exporter::Exporter(event::Loop& loop, std::unique_ptr<Sender> sender, size_t spans_max,
                   Random random)
    : loop_(loop),
      sender_(std::move(sender)),
      spans_max_(spans_max),
      random_(random),
      pause_(loop, [this] { send(); }),
      finish_(loop, [this] { finish_now(); }) {}

void Exporter::add(opentelemetry::proto::trace::v1::ResourceSpans spans, size_t count) {
  counts_.received += count;
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest request;
  request.add_resource_spans()->Swap(&spans);
  std::string bytes = request.SerializeAsString();
  if (waiting_spans_ + count > spans_max_ || waiting_bytes_ + bytes.size() > kWaitingBytesMax) {
    counts_.dropped += count;
    return;
  }
  waiting_spans_ += count;
  waiting_bytes_ += bytes.size();
  waiting_.push_back({std::move(bytes), count});
  send_next();
}

void Exporter::send_next() {
  if (now_.spans != 0) return;
  if (waiting_.empty()) return finish_now();
  while (!waiting_.empty() && now_.spans < kBatchSpans) {
    now_.bytes += waiting_.front().bytes;
    now_.spans += waiting_.front().spans;
    waiting_.pop_front();
  }
  began_ = loop_.now();
  tries_ = 0;
  send();
}

void Exporter::send() {
  ++tries_;
  sender_->send(now_.bytes, [this](const Outcome& outcome) { on_outcome(outcome); });
}

void Exporter::on_outcome(const Outcome& outcome) {
  if (now_.spans == 0) return;  // given up as we finished
  switch (outcome.kind) {
    case Outcome::Kind::Accepted: {
      const uint64_t rejected = std::min<uint64_t>(outcome.rejected, now_.spans);
      counts_.rejected += rejected;
      counts_.exported += now_.spans - rejected;
      note(rejected == 0, outcome.text);
      waiting_spans_ -= now_.spans;
      waiting_bytes_ -= now_.bytes.size();
      now_ = {};
      return send_next();
    }
    case Outcome::Kind::Refused:
      ++counts_.failed;
      note(false, outcome.text);
      return give_up(counts_.rejected);
    case Outcome::Kind::Again: break;
  }
  ++counts_.failed;
  note(false, outcome.text);
  if (loop_.now() - began_ >= kGiveUpAfter) return give_up(counts_.dropped);
  const Duration longest =
      std::min<Duration>(kPauseMax, kPauseMin * (1 << std::min(tries_ - 1, 5U)));
  // Between half of it and all.
  const Duration pause = longest / 2 + Duration(random_.below(uint64_t(longest.count() / 2 + 1)));
  pause_.arm(std::max(pause, std::min<Duration>(outcome.wait, kGiveUpAfter)));
}

void Exporter::give_up(uint64_t& as) {
  as += now_.spans;
  waiting_spans_ -= now_.spans;
  waiting_bytes_ -= now_.bytes.size();
  now_ = {};
  send_next();
}

// Said once, and once that it is over.
void Exporter::note(bool works, const std::string& why) {
  if (std::exchange(works_, works) == works) return;
  if (works)
    log::notice("spans are exported again");
  else
    log::warning("the collector does not take spans", {{"why", why}});
}

void Exporter::finish(Duration longest, std::function<void()> done) {
  finished_ = std::move(done);
  finish_.arm(waiting_spans_ == 0 || !works_ ? Duration::zero() : longest);
}

void Exporter::finish_now() {
  if (!finished_) return;
  finish_.cancel();
  pause_.cancel();
  counts_.dropped += std::exchange(waiting_spans_, 0);
  waiting_.clear();
  now_ = {};
  std::exchange(finished_, nullptr)();
}

}  // namespace mesh::otlp

// Limits of time. The route's timeout and that of a try have deadlines of their own;
// what few have shares one (watch_), which looks at all of them.
#include <algorithm>

#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/worker.h"

namespace mesh::forward {
namespace {

using telemetry::Flag;
using upstream::ClusterCount;

// Idleness that is long is left to the worker's sweep, which looks every few seconds.
constexpr Duration kSweptIdle = std::chrono::seconds(60);

bool over(Instant from, Duration limit, Instant now) {
  return limit > Duration::zero() && now - from >= limit;
}

}  // namespace

void Exchange::on_deadline(event::Deadline& deadline) {
  if (&deadline == &request_deadline_) return on_request_timeout();
  if (&deadline == &try_deadline_) return on_try_timeout();
  if (&deadline == &watch_) return on_watch();
  if (phase_ == Phase::Answered && down_ == nullptr) return give_up_upstream();
  if (phase_ == Phase::Awaiting) return on_await_timeout();
  if (phase_ != Phase::Holding) return;
  // A delay is over, and the try it belongs to begins; or a back-off is.
  if (pending_.delay > Duration::zero()) {
    pending_.delay = Duration::zero();
    return begin_attempt();
  }
  next_try();
}

void Exchange::on_request_timeout() {
  if (phase_ == Phase::Answering)
    return fail_midway(Flag::UpstreamRequestTimeout, "response_timeout");
  if (phase_ != Phase::Holding && phase_ != Phase::Trying) return;
  count(ClusterCount::RqTimeout);
  give_up(uint16_t(504));
  reply(504, Flag::UpstreamRequestTimeout, "response_timeout",
        "no response from the upstream within the route's timeout");
}

void Exchange::on_try_timeout() {
  if (phase_ != Phase::Holding && phase_ != Phase::Trying) return;
  if (phase_ == Phase::Trying && hedge()) return;
  count(ClusterCount::RqPerTryTimeout);
  try_timed_out(Flag::UpstreamRequestTimeout, "upstream_per_try_timeout",
                "no response from the upstream within the timeout of a try");
}

void Exchange::try_timed_out(Flag flag, std::string_view details, std::string_view sentence) {
  hold_.cancel();
  try_deadline_.cancel();
  pending_ = {};
  resilience::Outcome outcome;
  outcome.failure = resilience::Failure::PerTryTimeout;
  outcome.request_started = attempt_->request_started();
  attempt_->cancel(uint16_t(504));
  if (retry(outcome)) return;
  phase_ = Phase::Trying;
  if (!others_pending()) reply(504, flag, details, sentence);
}

// Idleness and the like are not armed anew by each event, but looked at when they
// might be over.
void Exchange::arm_watch() {
  const Instant now = worker_.loop().now();
  Instant next = Instant::max();
  const auto at = [&](Instant from, Duration limit) {
    if (limit > Duration::zero()) next = std::min(next, from + limit);
  };
  if (options_.idle_timeout < kSweptIdle) at(last_active_, options_.idle_timeout);
  at(start_, options_.max_stream_duration);
  if (!request_ended_ && phase_ != Phase::Tunnel) at(start_, options_.request_timeout);
  if (attempt_->stream() != nullptr) {
    at(last_active_, options_.per_try_idle_timeout);
    if (extras_ && extras_->try_start != Instant{})
      at(extras_->try_start, cluster_->cluster->spec().config->max_stream_duration);
  }
  if (next != Instant::max()) watch_.arm(std::max(next - now, Duration::zero()));
}

void Exchange::on_watch() {
  if (phase_ == Phase::Free || down_ == nullptr) return;
  const Instant now = worker_.loop().now();
  if (over(start_, options_.max_stream_duration, now)) return on_duration_over();
  if (!request_ended_ && phase_ != Phase::Tunnel && over(start_, options_.request_timeout, now)) {
    if (phase_ >= Phase::Answering || head_ == nullptr)
      return fail_midway({}, "request_overall_timeout");
    give_up(std::nullopt);
    return reply(408, {}, "request_overall_timeout", "the request did not arrive in time");
  }
  if (over(last_active_, options_.idle_timeout, now)) return check_idle();
  if (attempt_->stream() != nullptr && check_try()) return;
  arm_watch();
}

// True: a limit of the present try was over.
bool Exchange::check_try() {
  const Instant now = worker_.loop().now();
  if (over(last_active_, options_.per_try_idle_timeout, now)) {
    count(ClusterCount::RqPerTryIdleTimeout);
    if (answering()) {
      fail_midway(Flag::StreamIdleTimeout, "upstream_per_try_idle_timeout");
    } else {
      try_timed_out(Flag::StreamIdleTimeout, "upstream_per_try_idle_timeout",
                    "nothing moved within the idle timeout of a try");
    }
    return true;
  }
  if (!extras_ || extras_->try_start == Instant{} ||
      !over(extras_->try_start, cluster_->cluster->spec().config->max_stream_duration, now))
    return false;
  constexpr Flag kFlag = Flag::UpstreamMaxStreamDurationReached;
  count(ClusterCount::RqMaxDurationReached);
  if (answering()) {
    fail_midway(kFlag, "upstream_max_stream_duration_reached");
  } else {
    try_timed_out(kFlag, "upstream_max_stream_duration_reached",
                  "no whole response within the upstream's longest stream");
  }
  return true;
}

void Exchange::on_duration_over() {
  constexpr int kDeadlineExceeded = 4;
  if (phase_ >= Phase::Answering || head_ == nullptr)
    return fail_midway(Flag::DurationTimeout, "max_duration_timeout");
  give_up(std::nullopt);
  reply(request_ended_ ? 504 : 408, Flag::DurationTimeout, "max_duration_timeout",
        "the request took longer than it may", kDeadlineExceeded);
}

void Exchange::check_idle() {
  if (phase_ == Phase::Free || down_ == nullptr) return;
  if (!over(last_active_, options_.idle_timeout, worker_.loop().now())) return;
  if (phase_ >= Phase::Answering || head_ == nullptr)
    return fail_midway(Flag::StreamIdleTimeout, "stream_idle_timeout");
  give_up(std::nullopt);
  reply(request_ended_ ? 504 : 408, Flag::StreamIdleTimeout, "stream_idle_timeout",
        "nothing moved within the stream's idle timeout");
}

}  // namespace mesh::forward

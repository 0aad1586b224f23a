// The request's way upstream: downstream events, routing, tries. The way back is
// in exchange_answer.cc.
#include "forward/exchange.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "forward/connection.h"
#include "forward/head_rules.h"
#include "forward/worker.h"
#include "http/path.h"
#include "resilience/backoff.h"
#include "resilience/deadline.h"
#include "route/rewrite.h"

namespace mesh::forward {

using telemetry::Flag;

Exchange::Exchange(Worker& worker)
    : worker_(worker),
      attempt_(worker.loop(), *this),
      request_deadline_(worker.loop().wheel(), *this),
      try_deadline_(worker.loop().wheel(), *this),
      hold_(worker.loop().wheel(), *this) {}

Exchange::~Exchange() = default;

http::StreamHandler* Exchange::begin(Connection& connection, http::Stream& stream) {
  MESH_CHECK(phase_ == Phase::Free);
  phase_ = Phase::Head;
  connection_ = &connection;
  view_ = &connection.view();
  view_->retain();
  chain_ = &connection.chain();
  inbound_ = connection.inbound();
  down_ = &stream;
  start_ = last_active_ = worker_.loop().now();
  return this;
}

void Exchange::on_request_head(http::RequestHead& head, bool end) {
  head_ = &head;
  request_ended_ = end;
  last_active_ = worker_.loop().now();
  if (!chain_->logs.empty()) start_wall_ = worker_.loop().wall();
  const bool edge = chain_->config->use_remote_address;
  prepare_request(
      head, *chain_->config,
      {.secure = connection_->secure(),
       .remote_host = edge ? std::string_view(connection_->remote_host()) : std::string_view()},
      worker_.random(), scratch_);
  grpc_ = is_grpc(head.fields);
  original_path_ = head.path;
  if (head.path != "*" && !http::normalise_path(&head.path, path_))
    return reply(400, {}, "path_normalization_failed", "the path cannot be normalised");
  if (!find_route() || !run_request_filters()) return;
  keep_body_ = route_->retry.has_value() && !end;
  if (end) request_complete();
  if (phase_ == Phase::Head) next_try();
}

// False: answered already.
bool Exchange::find_route() {
  const route::Table* const table = chain_->routes.get();
  if (table != nullptr)
    route_ = table->find({.authority = head_->authority,
                          .method = head_->method,
                          .scheme = head_->scheme,
                          .path = head_->path,
                          .fields = &head_->fields});
  if (route_ == nullptr) {
    reply(404, Flag::NoRouteFound, "route_not_found",
          "no route for host " + text::quoted(head_->authority));
    return false;
  }
  route::apply(route_->request_edits, head_->fields);
  if (route_->direct_status) {
    reply(*route_->direct_status, {}, "direct_response", route_->direct_body);
    return false;
  }
  const std::string& name = route_->clusters.size() == 1
                                ? route_->clusters[0].cluster
                                : route::pick_cluster(*route_, worker_.random().next());
  cluster_ = view_->find(name);
  if (cluster_ == nullptr) {
    reply(503, Flag::NoClusterFound, "cluster_not_found", "the route's cluster is not known");
    return false;
  }
  if (route_->rewrite_path) {
    // The path may point into path_ (normalised), which the rewriting overwrites.
    const std::string before(head_->path);
    head_->path = scratch_.keep(route::rewrite_path(*route_, before, path_));
  }
  if (!route_->host_rewrite.empty())
    head_->authority = route::rewrite_authority(*route_, head_->authority);
  return true;
}

bool Exchange::run_request_filters() {
  if (chain_->filters.empty()) return true;
  filter::Context context{.head = *head_,
                          .route = *route_,
                          .random = worker_.random(),
                          .secure = connection_->secure(),
                          .peer_identity = connection_->stream().peer_identity()};
  for (const auto& filter : chain_->filters) {
    const filter::Verdict verdict = filter->on_request(context);
    if (verdict.status == 0) continue;
    reply(verdict.status, verdict.flags, verdict.details, verdict.body, verdict.grpc_status);
    return false;
  }
  return true;
}

// Envoy's route timeout runs from here.
void Exchange::request_complete() {
  request_ended_ = true;
  request_end_ = worker_.loop().now();
  if (route_ != nullptr && route_->timeout > Duration::zero() && phase_ != Phase::Answered)
    request_deadline_.arm(route_->timeout);
}

void Exchange::next_try() {
  ++tries_;
  phase_ = Phase::Trying;
  pending_ = {};
  if (!chain_->filters.empty()) {
    filter::Context context{.head = *head_,
                            .route = *route_,
                            .random = worker_.random(),
                            .secure = connection_->secure(),
                            .peer_identity = {}};
    for (const auto& filter : chain_->filters) {
      pending_ = filter->on_try(context);
      if (!pending_.passes()) break;
    }
  }
  if (route_->retry && route_->retry->per_try_timeout > Duration::zero())
    try_deadline_.arm(route_->retry->per_try_timeout);
  if (pending_.delay > Duration::zero()) {
    flags_ = telemetry::Flags::from_bits(flags_.bits() | pending_.delay_flags.bits());
    phase_ = Phase::Holding;
    return hold_.arm(pending_.delay);
  }
  begin_attempt();
}

void Exchange::begin_attempt() {
  phase_ = Phase::Trying;
  if (pending_.status != 0) return fault_answer();
  attempt_.start(*cluster_->cluster, worker_.random(), {.tried = {tried_.data(), tried_count_}});
}

// A filter answers in the upstream's place: retried as an upstream's answer is.
void Exchange::fault_answer() {
  const filter::Verdict verdict = std::exchange(pending_, {});
  try_deadline_.cancel();
  resilience::Outcome outcome;
  outcome.status = verdict.status;
  if (grpc_ && verdict.grpc_status >= 0) outcome.grpc_status = uint8_t(verdict.grpc_status);
  if (retry(outcome)) return;
  flags_ = telemetry::Flags::from_bits(flags_.bits() | verdict.flags.bits());
  reply(verdict.status, {}, verdict.details, verdict.body, verdict.grpc_status);
}

bool Exchange::retry(const resilience::Outcome& outcome) {
  if (!route_->retry || !replayable()) return false;
  const upstream::ClusterSpec& spec = cluster_->cluster->spec();
  resilience::Permit permit;
  const auto verdict = resilience::decide(*route_->retry, outcome, tries_, [&] {
    permit = spec.retry_budget.acquire(spec.shared->usage);
    return bool(permit);
  });
  switch (verdict) {
    case resilience::Verdict::NotRetriable: return false;
    case resilience::Verdict::LimitExceeded:
      flags_.add(Flag::UpstreamRetryLimitExceeded);
      return false;
    case resilience::Verdict::Overflow: flags_.add(Flag::UpstreamOverflow); return false;
    case resilience::Verdict::Retry: break;
  }
  retry_permit_ = std::move(permit);
  if (attempt_.host() != balance::kNoHost && route_->retry->avoid_tried_hosts &&
      tried_count_ < tried_.size())
    tried_[tried_count_++] = attempt_.host();
  try_deadline_.cancel();
  phase_ = Phase::Holding;
  hold_.arm(resilience::backoff(tries_, route_->retry->base_interval, route_->retry->max_interval,
                                worker_.random()));
  return true;
}

void Exchange::on_attempt_ready(http::Stream& stream) {
  last_active_ = worker_.loop().now();
  attempt_.set_request_started();
  const bool whole = request_ended_ && trailers_ == nullptr;
  stream.send_request_head(*head_, whole && body_.empty());
  // Sending may end the stream: then it is not ours any more.
  if (!body_.empty() && attempt_.stream() == &stream) stream.send_data(body_, whole);
  if (trailers_ != nullptr && attempt_.stream() == &stream) stream.send_trailers(*trailers_);
  if (attempt_.stream() != &stream) return;
  if (body_.size() > kBodyKeptMax) keep_body_ = false;
  if (!keep_body_ && !body_.empty()) {
    body_lost_ = true;
    body_.clear();
  }
  if (stream.buffered() <= http::Stream::kBufferedHigh) release_downstream();
}

void Exchange::on_data(std::string_view bytes, bool end) {
  request_bytes_ += bytes.size();
  last_active_ = worker_.loop().now();
  const bool wanted =
      phase_ == Phase::Holding || phase_ == Phase::Trying || phase_ == Phase::Answering;
  if (end) request_complete();
  if (!wanted) return;  // answered: the rest of the request is of no use
  http::Stream* const up = attempt_.stream();
  if (up == nullptr && phase_ == Phase::Answering) return;
  if (keep_body_ && up != nullptr && body_.size() + bytes.size() > kBodyKeptMax) {
    keep_body_ = false;
    body_lost_ = true;
    body_.clear();
  }
  if (up == nullptr || keep_body_) body_.append(bytes);
  if (up == nullptr) {
    if (body_.size() >= kBodyKeptMax) hold_downstream();
    return;
  }
  if (!keep_body_) body_lost_ = true;
  up->send_data(bytes, end);
  if (attempt_.stream() == up && up->buffered() > http::Stream::kBufferedHigh) hold_downstream();
}

void Exchange::on_trailers(http::Fields& trailers) {
  trailers_ = &trailers;
  last_active_ = worker_.loop().now();
  request_complete();
  if (http::Stream* const up = attempt_.stream();
      up != nullptr && (phase_ == Phase::Trying || phase_ == Phase::Answering))
    up->send_trailers(trailers);
}

void Exchange::hold_downstream() {
  if (held_ || down_ == nullptr || request_ended_) return;
  held_ = true;
  down_->pause();
}

void Exchange::release_downstream() {
  if (!held_) return;
  held_ = false;
  if (down_ == nullptr) return;
  down_->resume();
  if (connection_ != nullptr) connection_->kick();
}

void Exchange::on_attempt_room() { release_downstream(); }

void Exchange::on_send_room() {
  last_active_ = worker_.loop().now();
  attempt_.resume();
}

void Exchange::on_reset(http::ResetReason reason) {
  if (reason == http::ResetReason::ProtocolError || reason == http::ResetReason::LimitExceeded) {
    flags_.add(Flag::DownstreamProtocolError);
    details_ = "downstream_protocol_error";
  } else {
    flags_.add(Flag::DownstreamConnectionTermination);
    details_ = "downstream_remote_disconnect";
  }
  conclude();
}

void Exchange::on_closed() { conclude(); }

void Exchange::on_deadline(event::Deadline& deadline) {
  if (&deadline == &request_deadline_) return on_request_timeout();
  if (&deadline == &try_deadline_) return on_try_timeout();
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
  attempt_.cancel(uint16_t(504));
  reply(504, Flag::UpstreamRequestTimeout, "response_timeout",
        "no response from the upstream within the route's timeout");
}

void Exchange::on_try_timeout() {
  if (phase_ != Phase::Holding && phase_ != Phase::Trying) return;
  hold_.cancel();
  pending_ = {};
  resilience::Outcome outcome;
  outcome.failure = resilience::Failure::PerTryTimeout;
  outcome.request_started = attempt_.request_started();
  attempt_.cancel(uint16_t(504));
  if (retry(outcome)) return;
  reply(504, Flag::UpstreamRequestTimeout, "upstream_per_try_timeout",
        "no response from the upstream within the timeout of a try");
}

void Exchange::check_idle() {
  const bool alive = phase_ != Phase::Free && down_ != nullptr;
  if (!alive) return;
  const Duration limit = chain_->config->stream_idle_timeout;
  if (limit <= Duration::zero() || worker_.loop().now() - last_active_ < limit) return;
  if (phase_ == Phase::Answering || phase_ == Phase::Answered || head_ == nullptr)
    return fail_midway(Flag::StreamIdleTimeout, "stream_idle_timeout");
  attempt_.cancel(std::nullopt);
  reply(request_ended_ ? 504 : 408, Flag::StreamIdleTimeout, "stream_idle_timeout",
        "nothing moved within the stream's idle timeout");
}

void Exchange::abandon() {
  attempt_.cancel(std::nullopt);
  if (down_ != nullptr) {
    down_->attach(nullptr);
    conclude();
  }
}

}  // namespace mesh::forward

#include "forward/filter/circuit_breaker.h"

#include "base/log.h"
#include "http/path.h"

namespace mesh::forward::filter {
namespace {

using resilience::Breaker;
using resilience::BreakerRule;
using resilience::BreakerRules;
using telemetry::Flag;

// Without an answer from the upstream, or with a part of one.
constexpr uint32_t kFailures =
    uint32_t(Flag::UpstreamConnectionFailure) | uint32_t(Flag::UpstreamConnectionTermination) |
    uint32_t(Flag::UpstreamRemoteReset) | uint32_t(Flag::UpstreamProtocolError) |
    uint32_t(Flag::UpstreamRequestTimeout) | uint32_t(Flag::NoHealthyUpstream) |
    uint32_t(Flag::UpstreamOverflow) | uint32_t(Flag::LocalReset) |
    uint32_t(Flag::StreamIdleTimeout) | uint32_t(Flag::UpstreamMaxStreamDurationReached);
constexpr uint32_t kTimeouts = uint32_t(Flag::UpstreamRequestTimeout) |
                               uint32_t(Flag::StreamIdleTimeout) |
                               uint32_t(Flag::UpstreamMaxStreamDurationReached);
constexpr int kDeadlineExceeded = 4;

std::string ms(Duration d) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count()) + "ms";
}

void log_change(const std::string& name, const Breaker::Change& change) {
  const auto& sums = change.sums;
  if (change.to != Breaker::State::Open)
    return log::notice("circuit breaker " + std::string(to_string(change.to)),
                       {{"breaker", name}, {"before", to_string(change.from)}});
  if (sums.calls == 0)
    return log::warning(
        "circuit breaker open",
        {{"breaker", name}, {"cause", "a trial call went wrong"}, {"for", ms(change.open)}});
  log::warning("circuit breaker open", {{"breaker", name},
                                        {"cause", change.cause},
                                        {"calls", sums.calls},
                                        {"errors", sums.errors},
                                        {"timeouts", sums.timeouts},
                                        {"slow", sums.slow},
                                        {"for", ms(change.open)}});
}

}  // namespace

Breaker::Call judge(const BreakerRule& rule, const End& end) {
  Breaker::Call call;
  const bool grpc = end.grpc_status >= 0;
  const uint32_t flags = end.flags.bits();
  call.timeout = (flags & kTimeouts) != 0 || end.status == 504 ||
                 (grpc && end.grpc_status == kDeadlineExceeded);
  call.error = call.timeout || (flags & kFailures) != 0 || rule.is_error(end.status) ||
               (grpc && end.grpc_status <= 16 && rule.grpc_errors.test(size_t(end.grpc_status)));
  call.slow = rule.policy.slow_share.per_million > 0 && end.first_answer > rule.policy.slow_after;
  call.counted = end.asked && (call.error || !end.flags.has(Flag::DownstreamConnectionTermination));
  return call;
}

std::shared_ptr<const Filter> CircuitBreaker::make(std::shared_ptr<const BreakerRules> rules,
                                                   Shared& shared) {
  if (rules->empty()) return nullptr;
  return std::make_shared<const CircuitBreaker>(std::move(rules), shared);
}

CircuitBreaker::CircuitBreaker(std::shared_ptr<const BreakerRules> rules, Shared& shared)
    : Filter(kRequest | kEnd), rules_(std::move(rules)) {
  for (const BreakerRule& rule : *rules_)
    breakers_.push_back(shared.breaker(rule.name, rule.policy));
}

// slot[0] is the call's token, slot[1] which rule it is under, from 1; 0: none, or refused.
Verdict CircuitBreaker::on_request(Context& context, Slot& slot) const {
  const std::string_view path = http::without_query(context.head.path);
  for (size_t i = 0; i < rules_->size(); ++i) {
    const BreakerRule& rule = (*rules_)[i];
    if (!rule.matches(context.head.method, path)) continue;
    const auto admission = breakers_[i]->breaker.begin(rule.policy, context.now, context.random);
    if (admission.change) log_change(rule.name, *admission.change);
    if (!admission.pass) return refuse(context, i);
    slot = {admission.token, i + 1};
    break;
  }
  return {};
}

Verdict CircuitBreaker::refuse(Context& context, size_t index) const {
  const resilience::BreakerFallback& fallback = (*rules_)[index].fallback;
  Verdict verdict;
  if (!fallback.cluster.empty()) {
    breakers_[index]->fallbacks.fetch_add(1, std::memory_order_relaxed);
    verdict.cluster = fallback.cluster;
    return verdict;
  }
  verdict.status = fallback.status;
  verdict.flags = Flag::UpstreamOverflow;
  verdict.details = "circuit_breaker_open";
  verdict.body = fallback.body;
  for (const auto& [name, value] : fallback.headers) context.answer.add(name, value);
  if (fallback.body.empty() && fallback.headers.empty() && fallback.status == 503) {
    verdict.body = "the circuit breaker of this interface is open";
    context.answer.add("x-envoy-overloaded", "true");
  }
  return verdict;
}

void CircuitBreaker::on_end(const End& end, Instant now, Slot& slot) const {
  if (slot[1] == 0) return;
  const size_t index = slot[1] - 1;
  const BreakerRule& rule = (*rules_)[index];
  if (const auto change =
          breakers_[index]->breaker.end(rule.policy, slot[0], judge(rule, end), now))
    log_change(rule.name, *change);
}

}  // namespace mesh::forward::filter

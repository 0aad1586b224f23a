#include "forward/admission.h"

namespace mesh::forward {
namespace {

constexpr const char* kLimitLabel = "envoy_connection_limit_prefix";
constexpr const char* kRateLabel = "envoy_local_network_ratelimit_prefix";

// The state of that key, made where nobody has it any more.
template <class Map>
auto find_or_make(Map& known, const std::string& key, const std::string& prefix) {
  std::erase_if(known, [](const auto& entry) { return entry.second.state.expired(); });
  auto& entry = known[key];
  entry.prefix = prefix;
  auto state = entry.state.lock();
  if (!state) {
    state = std::make_shared<typename decltype(state)::element_type>();
    entry.state = state;
  }
  return state;
}

using NumberLabels = std::vector<std::pair<std::string, std::string>>;

void add(const ProxyCounts& counts, telemetry::Snapshot& into) {
  const auto number = [&](const char* name, NumberLabels labels, uint64_t value) {
    into.numbers[{std::string("envoy_proxy_proto_") + name, std::move(labels), false}] += value;
  };
  uint64_t errors = counts.not_found_disallowed.load();
  for (size_t i = 0; i < counts.versions.size(); ++i) {
    const auto& version = counts.versions[i];
    const NumberLabels labels{{"envoy_proxy_protocol_version", std::to_string(i + 1)}};
    number("found", labels, version.found.load());
    number("disallowed", labels, version.disallowed.load());
    number("error", labels, version.error.load());
    errors += version.disallowed.load() + version.error.load();
  }
  number("not_found_allowed", {}, counts.not_found_allowed.load());
  number("not_found_disallowed", {}, counts.not_found_disallowed.load());
  into.numbers[{"envoy_downstream_cx_proxy_proto_error", {}, false}] += errors;
}

}  // namespace

bool Admission::within_limit(ConnectionPlace& place) const {
  if (!limit_) return true;
  if (limit_->active.fetch_add(1) < most_) {
    place = ConnectionPlace(limit_);
    return true;
  }
  limit_->active.fetch_sub(1);
  limit_->limited.fetch_add(1, std::memory_order_relaxed);
  return false;
}

bool Admission::within_rate(Instant now) const {
  if (!rate_ || rate_->bucket.take(tokens_, now)) return true;
  rate_->limited.fetch_add(1, std::memory_order_relaxed);
  return false;
}

Admission::Verdict Admission::admit(Instant now, ConnectionPlace& place) const {
  if (rate_first_ && !within_rate(now)) return Verdict::OverRate;
  if (!within_limit(place)) return Verdict::OverLimit;
  if (rate_first_ || within_rate(now)) return Verdict::Taken;
  place.leave();
  return Verdict::OverRate;
}

std::shared_ptr<const Admission> Admissions::of(const xds::FilterChain& chain,
                                                const std::string& where) {
  if (!chain.connection_limit && !chain.connection_rate) return nullptr;
  auto admission = std::make_shared<Admission>();
  admission->rate_first_ = chain.rate_before_limit;
  const std::lock_guard lock(mutex_);
  if (const auto& limit = chain.connection_limit) {
    admission->limit_ = find_or_make(limits_, where + " " + limit->stat_prefix, limit->stat_prefix);
    admission->most_ = limit->most;
    admission->delay_ = limit->delay;
  }
  if (const auto& rate = chain.connection_rate) {
    const std::string key =
        rate->share_key.empty() ? where + " " + rate->stat_prefix : "shared " + rate->share_key;
    admission->rate_ = find_or_make(rates_, key, rate->stat_prefix);
    admission->tokens_ = {
        .burst = rate->tokens_max, .tokens = rate->tokens_per_fill, .per = rate->fill_interval};
  }
  return admission;
}

std::shared_ptr<ProxyCounts> Admissions::proxy_counts() {
  const std::lock_guard lock(mutex_);
  if (!proxy_counts_) proxy_counts_ = std::make_shared<ProxyCounts>();
  return proxy_counts_;
}

void Admissions::add_numbers(telemetry::Snapshot& into) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, known] : limits_) {
    const auto state = known.state.lock();
    if (!state) continue;
    const NumberLabels labels{{kLimitLabel, known.prefix}};
    into.numbers[{"envoy_connection_limit_active_connections", labels, true}] +=
        state->active.load();
    into.numbers[{"envoy_connection_limit_limited_connections", labels, false}] +=
        state->limited.load();
  }
  for (const auto& [key, known] : rates_)
    if (const auto state = known.state.lock())
      into.numbers[{"envoy_local_rate_limit_rate_limited", {{kRateLabel, known.prefix}}, false}] +=
          state->limited.load();
  if (proxy_counts_) add(*proxy_counts_, into);
}

}  // namespace mesh::forward

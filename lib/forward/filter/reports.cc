#include "forward/filter/reports.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/json.h"

namespace mesh::forward::filter {
namespace {

using resilience::Breaker;

constexpr std::array<std::string_view, 4> kStates{"closed", "open", "half-open", "ramping"};

uint64_t ms(Duration d) {
  return uint64_t(
      std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(d).count()));
}

}  // namespace

void add_numbers(const std::vector<BreakerReport>& breakers, telemetry::Snapshot& into) {
  for (const BreakerReport& b : breakers) {
    const auto number = [&](std::string_view name, uint64_t value, bool gauge,
                            std::string_view label = {}, std::string_view text = {}) {
      telemetry::NumberKey key{std::string(name), {{"breaker", b.name}}, gauge};
      if (!label.empty()) key.labels.emplace_back(label, text);
      into.numbers[std::move(key)] += value;
    };
    number("mesh_circuit_breaker_window_calls", b.window.calls, true);
    number("mesh_circuit_breaker_window_errors", b.window.errors, true);
    number("mesh_circuit_breaker_refused_total", b.refused, false);
    number("mesh_circuit_breaker_fallbacks_total", b.fallbacks, false);
    // One of the states is 1: summed over forwarders, so many are in it.
    for (size_t i = 0; i < kStates.size(); ++i) {
      const uint64_t is = size_t(b.state) == i ? 1 : 0;
      number("mesh_circuit_breaker_state", is, true, "state", kStates[i]);
      number("mesh_circuit_breaker_transitions_total", b.changes_to[i], false, "to", kStates[i]);
    }
  }
}

void add_numbers(const std::vector<RateLimitReport>& limits, telemetry::Snapshot& into) {
  for (const RateLimitReport& l : limits)
    for (const auto& [result, value] : {std::pair<std::string_view, uint64_t>{"ok", l.ok},
                                        {"rate_limited", l.limited},
                                        {"enforced", l.enforced}})
      into.numbers[{"mesh_rate_limit_requests_total",
                    {{"limit", l.name}, {"result", std::string(result)}},
                    false}] += value;
}

void add_numbers(const std::vector<AdaptiveReport>& limits, telemetry::Snapshot& into) {
  const auto us = [](Duration d) { return uint64_t(std::max<int64_t>(0, d.count() / 1000)); };
  for (const AdaptiveReport& l : limits) {
    const auto number = [&](std::string_view name, uint64_t value, bool gauge) {
      const std::string full = "mesh_adaptive_concurrency_" + std::string(name);
      into.numbers[{full, {{"limit", l.name}}, gauge}] += value;
    };
    number("limit", l.limit, true);
    number("requests", l.under_way, true);
    number("min_rtt_microseconds", us(l.min_rtt), true);
    number("sample_rtt_microseconds", us(l.sample_rtt), true);
    number("measuring", l.measuring ? 1 : 0, true);
    number("blocked_total", l.blocked, false);
  }
}

void add_numbers(const std::vector<RbacReport>& filters, telemetry::Snapshot& into) {
  for (const RbacReport& f : filters)
    for (const auto& [result, value] :
         {std::pair<std::string, uint64_t>{f.prefix + "allowed", f.allowed},
          {f.prefix + "denied", f.denied},
          {f.prefix + "logged", f.logged},
          {f.shadow_prefix + "shadow_allowed", f.shadow_allowed},
          {f.shadow_prefix + "shadow_denied", f.shadow_denied}})
      into.numbers[{
          "mesh_rbac_decisions_total", {{"filter", f.name}, {"result", result}}, false}] += value;
}

void add_numbers(const std::vector<JwtReport>& filters, telemetry::Snapshot& into) {
  for (const JwtReport& f : filters) {
    const auto add = [&](const char* name, std::string_view result, uint64_t value) {
      into.numbers[{name, {{"filter", f.name}, {"result", std::string(result)}}, false}] += value;
    };
    add("mesh_jwt_authn_requests_total", "allowed", f.allowed);
    add("mesh_jwt_authn_requests_total", "denied", f.denied);
    add("mesh_jwt_authn_requests_total", "cors_preflight_bypassed", f.preflight_bypassed);
    add("mesh_jwt_authn_cache_total", "hit", f.cache_hits);
    add("mesh_jwt_authn_cache_total", "miss", f.cache_misses);
  }
}

void add_numbers(const std::vector<ExtAuthzReport>& filters, telemetry::Snapshot& into) {
  for (const ExtAuthzReport& f : filters)
    for (const auto& [result, value] : {std::pair<std::string_view, uint64_t>{"ok", f.ok},
                                        {"denied", f.denied},
                                        {"error", f.error},
                                        {"disabled", f.disabled},
                                        {"failure_mode_allowed", f.failure_mode_allowed},
                                        {"invalid", f.invalid}})
      into.numbers[{"mesh_ext_authz_requests_total",
                    {{"filter", f.name}, {"result", std::string(result)}},
                    false}] += value;
}

std::string to_json(const std::vector<BreakerReport>& breakers) {
  json::Writer out;
  out.list();
  for (const BreakerReport& b : breakers) {
    out.object().key("name").string(b.name).key("state").string(resilience::to_string(b.state));
    const std::pair<std::string_view, uint64_t> numbers[] = {
        {"in_state_ms", ms(b.in_state)},
        {"open_left_ms", ms(b.open_left)},
        {"window_calls", b.window.calls},
        {"window_errors", b.window.errors},
        {"window_timeouts", b.window.timeouts},
        {"window_slow", b.window.slow},
        {"refused", b.refused},
        {"fallbacks", b.fallbacks},
        {"openings", b.changes_to[size_t(Breaker::State::Open)]},
    };
    for (const auto& [name, value] : numbers) out.key(name).number(value);
    out.end();
  }
  return out.end().take();
}

}  // namespace mesh::forward::filter

#include "forward/demand.h"

#include <utility>

namespace mesh::forward {

std::string_view to_string(HostAnswer answer) {
  switch (answer) {
    case HostAnswer::Found: return "found";
    case HostAnswer::Nobody: return "nobody";
    case HostAnswer::Overflow: return "overflow";
    case HostAnswer::Unavailable: return "unavailable";
    case HostAnswer::Timeout: return "timeout";
  }
  return "";
}

bool Demand::enter() {
  if (waiting_.fetch_add(1, std::memory_order_relaxed) >= limits_.waiting_max) {
    leave();
    return false;
  }
  waits_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void Demand::ask(std::string host) {
  main_.post([ask = std::weak_ptr<const Ask>(ask_), host = std::move(host)] {
    if (const auto there = ask.lock()) (*there)(host);
  });
}

void Demand::note_used(const std::string& virtual_host) {
  const std::lock_guard lock(used_mutex_);
  if (used_.size() < kUsedMax) used_.insert(virtual_host);
}

std::set<std::string> Demand::take_used() {
  period_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(used_mutex_);
  return std::exchange(used_, {});
}

void Demand::add_numbers(telemetry::Snapshot& into) const {
  into.numbers[{"mesh_forwarder_on_demand_hosts", {}, true}] +=
      hosts_.load(std::memory_order_relaxed);
  into.numbers[{"mesh_forwarder_on_demand_requests_waiting", {}, true}] +=
      waiting_.load(std::memory_order_relaxed);
  into.numbers[{"mesh_forwarder_on_demand_waits_total", {}, false}] +=
      waits_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < kHostAnswers; ++i)
    into.numbers[{"mesh_forwarder_on_demand_answers_total",
                  {{"answer", std::string(to_string(HostAnswer(i)))}},
                  false}] += answers_[i].load(std::memory_order_relaxed);
}

}  // namespace mesh::forward

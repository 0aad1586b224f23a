#include "forward/awaited_hosts.h"

#include <algorithm>
#include <utility>

namespace mesh::forward {

std::optional<HostAnswer> AwaitedHosts::wait(HostWaiter& waiter, std::string host, Instant now) {
  if (const auto found = nobody_.find(host); found != nobody_.end()) {
    if (now < found->second) return HostAnswer::Nobody;
    nobody_.erase(found);
  }
  if (!demand_->enter()) return HostAnswer::Overflow;
  const bool asked = std::any_of(waiting_.begin(), waiting_.end(),
                                 [&](const Waiting& one) { return one.host == host; });
  if (!asked) demand_->ask(host);
  waiting_.push_back({&waiter, std::move(host)});
  return std::nullopt;
}

void AwaitedHosts::cancel(HostWaiter& waiter) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiting& one) { return one.waiter == &waiter; });
  if (found == waiting_.end()) return;
  waiting_.erase(found);
  demand_->leave();
}

void AwaitedHosts::on_answer(const std::string& host, HostAnswer answer, Instant now) {
  if (answer == HostAnswer::Nobody) {
    // Whoever names many such hosts forgets them the sooner.
    if (nobody_.size() >= kNobodyMax) nobody_.clear();
    nobody_[host] = now + kNobodyKept;
  } else {
    nobody_.erase(host);
  }
  // Whoever is called may end others that wait.
  for (;;) {
    const auto next = std::find_if(waiting_.begin(), waiting_.end(),
                                   [&](const Waiting& one) { return one.host == host; });
    if (next == waiting_.end()) return;
    HostWaiter& waiter = *next->waiter;
    waiting_.erase(next);
    demand_->leave();
    waiter.on_host(answer);
  }
}

void AwaitedHosts::note_used(const std::string& virtual_host) {
  if (const uint64_t now = demand_->period(); std::exchange(period_, now) != now) used_.clear();
  if (used_.size() < Demand::kUsedMax && used_.insert(virtual_host).second)
    demand_->note_used(virtual_host);
}

}  // namespace mesh::forward

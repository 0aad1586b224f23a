#include "balance/picker.h"

#include <algorithm>

#include "balance/least_request.h"
#include "balance/random.h"
#include "balance/round_robin.h"
#include "base/check.h"

namespace mesh::balance {
namespace {

// Draws before the certain search for a host that was not tried; with few hosts
// tried one draw is nearly always enough.
constexpr int kDraws = 4;

bool contains(std::span<const HostIndex> list, HostIndex i) {
  return std::find(list.begin(), list.end(), i) != list.end();
}

}  // namespace

Picker::Picker(std::vector<Host> hosts, const Options& options)
    : hosts_(std::move(hosts)), panic_percent_(options.panic_percent) {
  MESH_CHECK(hosts_.size() < kNoHost);
  usable_.reserve(hosts_.size());
}

void Picker::refresh() {
  available_ = size_t(
      std::count_if(hosts_.begin(), hosts_.end(), [](const Host& host) { return host.available; }));
  panic_ = available_ * 100 < hosts_.size() * panic_percent_;
  usable_.clear();
  for (HostIndex i = 0; i < hosts_.size(); ++i)
    if (panic_ || hosts_[i].available) usable_.push_back(i);
  uniform_ = std::all_of(usable_.begin(), usable_.end(),
                         [&](HostIndex i) { return weight(i) == weight(usable_.front()); });
  rebuild();
}

void Picker::set_available(HostIndex host, bool available) {
  MESH_CHECK(host < hosts_.size());
  if (hosts_[host].available == available) return;
  hosts_[host].available = available;
  refresh();
}

HostIndex Picker::pick(Random& random, std::span<const HostIndex> tried) {
  if (usable_.empty()) return kNoHost;
  HostIndex picked = choose(random);
  if (tried.empty() || !contains(tried, picked)) return picked;
  for (int draw = 1; draw < kDraws; ++draw) {
    picked = choose(random);
    if (!contains(tried, picked)) return picked;
  }
  // From a random place, so that one neighbour does not inherit all retries.
  const size_t from = size_t(random.below(usable_.size()));
  for (size_t i = 0; i < usable_.size(); ++i) {
    const HostIndex other = usable_[(from + i) % usable_.size()];
    if (!contains(tried, other)) return other;
  }
  return picked;
}

std::unique_ptr<Picker> make_picker(const Options& options, std::vector<Host> hosts) {
  std::unique_ptr<Picker> picker;
  switch (options.algorithm) {
    case Algorithm::RoundRobin:
      picker = std::make_unique<RoundRobin>(std::move(hosts), options);
      break;
    case Algorithm::Random:
      picker = std::make_unique<RandomPicker>(std::move(hosts), options);
      break;
    case Algorithm::LeastRequest:
      picker = std::make_unique<LeastRequest>(std::move(hosts), options);
      break;
  }
  picker->refresh();
  return picker;
}

}  // namespace mesh::balance

#include "balance/balancer.h"

#include <algorithm>
#include <numeric>

#include "balance/hash.h"
#include "base/check.h"

namespace mesh::balance {
namespace {

std::vector<HostIndex> every(size_t count) {
  std::vector<HostIndex> all(count);
  std::iota(all.begin(), all.end(), HostIndex(0));
  return all;
}

}  // namespace

Balancer::Balancer(Config config, std::vector<Host> hosts, std::vector<Group> groups)
    : config_(std::move(config)),
      hosts_{config_.options, std::move(hosts), std::move(groups), {}, {}},
      whole_(hosts_, config_.options.locality, every(hosts_.all.size())) {
  MESH_CHECK(hosts_.all.size() < kNoHost);
  hosts_.callers.by_group.resize(hosts_.groups.size());
  if (config_.subsets) build_subsets();
}

Balancer::~Balancer() = default;

size_t Balancer::Hash::operator()(const Metadata& metadata) const {
  uint64_t hash = 0;
  for (const auto& [key, value] : metadata) hash = hash64(value, hash64(key, hash));
  return size_t(hash);
}

void Balancer::build_subsets() {
  const SubsetOptions& options = *config_.subsets;
  std::unordered_map<Metadata, std::vector<HostIndex>, Hash> members;
  for (HostIndex i = 0; i < hosts_.all.size(); ++i) {
    const Metadata* const metadata = hosts_.all[i].metadata;
    if (metadata == nullptr) continue;
    for (const auto& selector : options.selectors) {
      const auto key = select(*metadata, selector.keys);
      if (!key || (members.size() >= kSubsetsMax && !members.contains(*key))) continue;
      members[*key].push_back(i);
    }
  }
  const bool localities =
      config_.options.locality != LocalityMode::Weighted || options.locality_weight_aware;
  const LocalityMode locality = localities ? config_.options.locality : LocalityMode::None;
  for (auto& [key, list] : members)
    subsets_[key] = std::make_unique<HostSet>(hosts_, locality, std::move(list));
  if (options.fallback != SubsetOptions::Fallback::DefaultSubset &&
      std::none_of(options.selectors.begin(), options.selectors.end(), [](const auto& s) {
        return s.fallback == SubsetOptions::Fallback::DefaultSubset;
      }))
    return;
  std::vector<HostIndex> fallback;
  for (HostIndex i = 0; i < hosts_.all.size(); ++i) {
    static const Metadata kNone;
    const Metadata* const metadata = hosts_.all[i].metadata;
    if (contains(metadata == nullptr ? kNone : *metadata, options.default_subset))
      fallback.push_back(i);
  }
  default_subset_ = std::make_unique<HostSet>(hosts_, locality, std::move(fallback));
}

HostIndex Balancer::pick(Random& random, const PickContext& context, Instant now) {
  if (!context.override_host.empty()) {
    const HostIndex host = find_override(context);
    if (host != kNoHost || context.override_strict) return host;
  }
  if (!config_.subsets) return whole_.pick(random, context, now);
  HostSet* const subset = find_subset(context.subset);
  return subset == nullptr ? kNoHost : subset->pick(random, context, now);
}

// Envoy asks for it in the first try only: who was tried is left alone.
HostIndex Balancer::find_override(const PickContext& context) {
  if (by_address_.empty())
    for (HostIndex i = 0; i < hosts_.all.size(); ++i) by_address_.emplace(hosts_.all[i].address, i);
  const auto found = by_address_.find(context.override_host);
  if (found == by_address_.end()) return kNoHost;
  if ((config_.override_health >> uint8_t(hosts_.all[found->second].health) & 1) == 0)
    return kNoHost;
  const auto& tried = context.tried;
  return std::find(tried.begin(), tried.end(), found->second) == tried.end() ? found->second
                                                                             : kNoHost;
}

// Null: the policy leaves nobody.
HostSet* Balancer::find_subset(const Metadata* subset) {
  const SubsetOptions& options = *config_.subsets;
  if (subset != nullptr)
    if (const auto found = subsets_.find(*subset); found != subsets_.end()) {
      hosts_.stats.count(Stats::SubsetsSelected);
      return found->second.get();
    }
  auto fallback = options.fallback;
  if (subset != nullptr)
    for (const auto& selector : options.selectors)
      if (selector.fallback && has_keys(*subset, selector.keys)) fallback = *selector.fallback;
  if (fallback == SubsetOptions::Fallback::NoFallback) return nullptr;
  hosts_.stats.count(Stats::SubsetsFallback);
  return fallback == SubsetOptions::Fallback::AnyEndpoint ? &whole_ : default_subset_.get();
}

void Balancer::changed() {
  whole_.changed();
  for (auto& [key, subset] : subsets_) subset->changed();
  if (default_subset_) default_subset_->changed();
}

void Balancer::set_health(HostIndex host, Health health) {
  MESH_CHECK(host < hosts_.all.size());
  if (hosts_.all[host].health == health) return;
  hosts_.all[host].health = health;
  changed();
}

void Balancer::set_up_since(HostIndex host, Instant up_since) {
  MESH_CHECK(host < hosts_.all.size());
  if (hosts_.all[host].up_since == up_since) return;
  hosts_.all[host].up_since = up_since;
  changed();
}

void Balancer::set_callers(Callers callers) {
  MESH_CHECK(callers.by_group.size() == hosts_.groups.size());
  hosts_.callers = std::move(callers);
  changed();
}

}  // namespace mesh::balance

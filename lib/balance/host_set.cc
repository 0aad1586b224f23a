#include "balance/host_set.h"

#include <algorithm>

#include "balance/slow_start.h"

namespace mesh::balance {
namespace {

// Draws before the certain search for a host that was not tried; with few hosts
// tried one draw is nearly always enough.
constexpr uint32_t kDraws = 4;

bool contains(std::span<const HostIndex> list, HostIndex i) {
  return std::find(list.begin(), list.end(), i) != list.end();
}

bool same_hosts(std::span<const Member> a, std::span<const Member> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Member& x, const Member& y) { return x.host == y.host; });
}

}  // namespace

HostSet::HostSet(Hosts& hosts, LocalityMode locality, std::vector<HostIndex> members)
    : hosts_(hosts),
      locality_(locality),
      members_(std::move(members)),
      random_(hosts.options.seed),
      weights_(hosts.all.size(), 1),
      hashes_(balance::hashes(hosts.options.algorithm)) {
  uint32_t priorities = 0;
  for (const HostIndex i : members_)
    priorities = std::max(priorities, hosts_.groups[hosts_.all[i].group].priority + 1);
  levels_.resize(priorities);
  std::vector<std::pair<size_t, size_t>> place(hosts_.groups.size());
  for (uint32_t g = 0; g < hosts_.groups.size(); ++g) {
    const uint32_t priority = hosts_.groups[g].priority;
    if (priority >= priorities) continue;
    Level& level = levels_[priority];
    place[g] = {priority, level.groups.size()};
    level.groups.push_back(g);
    level.hosts.emplace_back();
  }
  for (const HostIndex i : members_) {
    const auto [priority, at] = place[hosts_.all[i].group];
    levels_[priority].hosts[at].push_back(i);
  }
}

HostIndex HostSet::pick(Random& random, const PickContext& context, Instant now) {
  if (stale_ || now >= next_warming_) refresh(now);
  const uint64_t hash = !hashes_ ? 0 : context.hash ? *context.hash : random.next();
  Pool* pool = nullptr;
  if (!context.left.empty() && levels_.size() > 1)
    pool = choose_other_pool(random, hashes_ ? hash : random.next(), context.left);
  if (pool == nullptr)
    pool = sole_ != nullptr ? sole_ : choose_pool(random, hashes_ ? hash : random.next());
  if (pool == nullptr || !pool->picker) return kNoHost;
  const HostIndex picked = pool->picker->choose(random, hash, 0);
  if (context.tried.empty() || !contains(context.tried, picked)) return picked;
  return another(*pool->picker, random, hash, context.tried);
}

HostIndex HostSet::another(Picker& picker, Random& random, uint64_t hash,
                           std::span<const HostIndex> tried) const {
  HostIndex picked = kNoHost;
  for (uint32_t draw = 1; draw < kDraws; ++draw) {
    picked = picker.choose(random, hash, draw);
    if (!contains(tried, picked)) return picked;
  }
  // From a random place, so that one neighbour does not inherit all retries.
  const auto members = picker.members();
  const size_t from = size_t((hashes_ ? hash : random.next()) % members.size());
  for (size_t i = 0; i < members.size(); ++i) {
    const HostIndex other = members[(from + i) % members.size()].host;
    if (!contains(tried, other)) return other;
  }
  return picked;
}

// Envoy's choosePriority(): healthy shares in order, then degraded ones.
HostSet::Pool* HostSet::choose_pool(Random& random, uint64_t roll) {
  if (levels_.empty()) return nullptr;
  const uint32_t percent = uint32_t(roll % 100) + 1;
  uint32_t sum = 0;
  for (int degraded = 0; degraded < 2; ++degraded) {
    for (size_t i = 0; i < levels_.size(); ++i) {
      sum += degraded != 0 ? shares_[i].degraded_percent : shares_[i].healthy_percent;
      if (percent > sum) continue;
      Level& level = levels_[i];
      if (shares_[i].panic) {
        hosts_.stats.count(Stats::HealthyPanic);
        const bool fail =
            locality_ == LocalityMode::ZoneAware && hosts_.options.zone.fail_traffic_on_panic;
        return fail ? nullptr : &level.all;
      }
      return choose_locality(level, degraded != 0 ? level.degraded : level.healthy, random);
    }
  }
  return nullptr;
}

// Load is spread anew, as if the priorities of the hosts in `left` had nobody. Null:
// then nobody is left. O(n), for retries.
HostSet::Pool* HostSet::choose_other_pool(Random& random, uint64_t roll,
                                          std::span<const HostIndex> left) {
  std::vector<PriorityHealth> health;
  for (const Level& level : levels_) health.push_back(health_of(level));
  for (const HostIndex i : left)
    if (i < hosts_.all.size())
      if (const uint32_t p = hosts_.groups[hosts_.all[i].group].priority; p < health.size())
        health[p] = {};
  const bool any = std::any_of(health.begin(), health.end(), [](const PriorityHealth& one) {
    return one.healthy > 0 || one.degraded > 0;
  });
  if (!any) return nullptr;
  // Panic would be over hosts that no pool has.
  auto shares =
      distribute(health, {.healthy_panic_percent = 0,
                          .overprovisioning_percent = hosts_.options.overprovisioning_percent,
                          .weighted = hosts_.options.weighted_priority_health});
  std::swap(shares, shares_);
  Pool* const pool = choose_pool(random, roll);
  std::swap(shares, shares_);
  return pool != nullptr && pool->picker ? pool : nullptr;
}

HostSet::Pool* HostSet::choose_locality(Level& level, Side& side, Random& random) {
  if (!side.has_localities) return &side.whole;
  if (locality_ == LocalityMode::Weighted)
    return &side.by_group[side.heap_groups[side.order.next()]];
  Stats& stats = hosts_.stats;
  if (hosts_.callers.panic) {
    stats.count(Stats::LocalClusterNotOk);
    return hosts_.options.zone.fail_traffic_on_panic ? nullptr : &side.whole;
  }
  const double enabled = hosts_.options.zone.routing_enabled_percent;
  if (enabled < 100 && random.unit() * 100 >= enabled) return &side.whole;
  ZoneRouting::Way way{};
  const size_t at = level.zone.pick(random, way);
  switch (way) {
    case ZoneRouting::Way::Direct: stats.count(Stats::ZoneRoutingAllDirectly); break;
    case ZoneRouting::Way::Sampled: stats.count(Stats::ZoneRoutingSampled); break;
    case ZoneRouting::Way::CrossZone: stats.count(Stats::ZoneRoutingCrossZone); break;
    case ZoneRouting::Way::NoCapacity: stats.count(Stats::ZoneNoCapacityLeft); break;
  }
  Pool& pool = side.by_group[at];
  return pool.picker ? &pool : &side.whole;
}

PriorityHealth HostSet::health_of(const Level& level) const {
  PriorityHealth result;
  for (const auto& group : level.hosts) {
    for (const HostIndex i : group) {
      const Host& host = hosts_.all[i];
      if (host.health == Health::Excluded) continue;
      const double weight = std::max(1U, host.weight);
      ++result.hosts;
      result.weight += weight;
      if (host.health == Health::Healthy) {
        ++result.healthy;
        result.healthy_weight += weight;
      } else if (host.health == Health::Degraded) {
        ++result.degraded;
        result.degraded_weight += weight;
      }
    }
  }
  return result;
}

void HostSet::refresh(Instant now) {
  stale_ = false;
  warm(now);
  const Options& options = hosts_.options;
  std::vector<PriorityHealth> health;
  for (const Level& level : levels_) health.push_back(health_of(level));
  shares_ = distribute(health, {.healthy_panic_percent = options.healthy_panic_percent,
                                .overprovisioning_percent = options.overprovisioning_percent,
                                .weighted = options.weighted_priority_health});
  for (size_t i = 0; i < levels_.size(); ++i) refresh_level(levels_[i], shares_[i]);
  sole_ = nullptr;
  for (size_t i = 0; i < levels_.size(); ++i) {
    if (shares_[i].panic) continue;
    const bool healthy = shares_[i].healthy_percent == 100;
    if (!healthy && shares_[i].degraded_percent < 100) continue;
    Side& side = healthy ? levels_[i].healthy : levels_[i].degraded;
    if (!side.has_localities) sole_ = &side.whole;
  }
}

// Weights as slow start has them now, and when they are looked at again.
void HostSet::warm(Instant now) {
  const SlowStartOptions& options = hosts_.options.slow_start;
  bool warming = false;
  for (const HostIndex i : members_) {
    const Host& host = hosts_.all[i];
    weights_[i] = std::max(1U, host.weight);
    if (options.window <= Duration::zero() || host.up_since == Instant::min() ||
        host.health != Health::Healthy)
      continue;
    const Duration age = now - host.up_since;
    if (age >= options.window) continue;
    warming = true;
    weights_[i] *= slow_start_factor(options, age);
  }
  constexpr int kSteps = 100;
  constexpr Duration kStepMin = std::chrono::milliseconds(10);
  next_warming_ = warming ? now + std::max(options.window / kSteps, kStepMin) : Instant::max();
}

void HostSet::refresh_level(Level& level, const PriorityShare& share) {
  if (share.panic) return fill(level.all, members_of(level, nullptr));
  level.zoned = false;
  if (locality_ == LocalityMode::ZoneAware && !hashes_) refresh_zone(level);
  refresh_side(level, level.healthy, Health::Healthy);
  refresh_side(level, level.degraded, Health::Degraded);
}

// Envoy's regenerateLocalityRoutingStructures().
void HostSet::refresh_zone(Level& level) {
  if (level.groups.size() < 2 || hosts_.callers.localities < 2) return;
  std::vector<ZoneRouting::Zone> zones;
  size_t own = level.groups.size();
  uint64_t healthy = 0;
  for (size_t i = 0; i < level.groups.size(); ++i) {
    const uint32_t group = level.groups[i];
    const auto count =
        std::count_if(level.hosts[i].begin(), level.hosts[i].end(),
                      [&](HostIndex h) { return hosts_.all[h].health == Health::Healthy; });
    zones.push_back({.callers = hosts_.callers.by_group[group], .hosts = uint64_t(count)});
    healthy += uint64_t(count);
    if (hosts_.groups[group].own) own = i;
  }
  if (healthy < hosts_.options.zone.min_cluster_size) {
    hosts_.stats.count(Stats::ZoneClusterTooSmall);
    return;
  }
  level.zone.build(zones, own, hosts_.callers.total);
  level.zoned = true;
}

void HostSet::refresh_side(Level& level, Side& side, Health health) {
  side.has_localities = false;
  const bool weighted = locality_ == LocalityMode::Weighted && !hashes_;
  const bool zoned = level.zoned && health == Health::Healthy;
  if (!weighted) fill(side.whole, members_of(level, &health));
  if (!weighted && !zoned) return;
  side.by_group.resize(level.groups.size());
  std::vector<double> weights;
  side.heap_groups.clear();
  for (size_t i = 0; i < level.groups.size(); ++i) {
    fill(side.by_group[i], members_of(level, i, &health));
    const double weight = weighted ? locality_weight(level, i, health) : 0;
    if (weight <= 0) continue;
    weights.push_back(weight);
    side.heap_groups.push_back(uint32_t(i));
  }
  side.has_localities = zoned || !weights.empty();
  if (!weights.empty()) side.order.build(weights, random_);
  // Without a weight anywhere localities are not told apart.
  if (weighted && weights.empty()) fill(side.whole, members_of(level, &health));
}

// Envoy's effectiveLocalityWeight().
double HostSet::locality_weight(const Level& level, size_t group, Health health) const {
  const auto& hosts = level.hosts[group];
  const auto count = [&](Health wanted) {
    return std::count_if(hosts.begin(), hosts.end(),
                         [&](HostIndex i) { return hosts_.all[i].health == wanted; });
  };
  const auto counted = std::ssize(hosts) - count(Health::Excluded);
  if (counted == 0) return 0;
  const double available = double(count(health)) / double(counted);
  return hosts_.groups[level.groups[group]].weight *
         std::min(1.0, hosts_.options.overprovisioning_percent / 100.0 * available);
}

// Null: whatever the health.
std::vector<Member> HostSet::members_of(const Level& level, size_t group,
                                        const Health* health) const {
  std::vector<Member> result;
  for (const HostIndex i : level.hosts[group]) {
    const Host& host = hosts_.all[i];
    if (health != nullptr && host.health != *health) continue;
    result.push_back({.host = i,
                      .weight = weights_[i],
                      .active = host.active,
                      .key = host.key.empty() ? host.address : host.key});
  }
  return result;
}

// By hash, weighted localities weigh through their hosts (Envoy's
// normalizeLocalityWeights()).
std::vector<Member> HostSet::members_of(const Level& level, const Health* health) const {
  std::vector<Member> result;
  const bool weighted = hashes_ && locality_ == LocalityMode::Weighted;
  for (size_t i = 0; i < level.groups.size(); ++i) {
    auto members = members_of(level, i, health);
    const uint32_t locality = hosts_.groups[level.groups[i]].weight;
    if (weighted && locality == 0) continue;
    double sum = 0;
    for (const Member& m : members) sum += m.weight;
    for (Member& m : members) {
      if (weighted) m.weight *= locality / sum;
      result.push_back(m);
    }
  }
  return result;
}

// What is the same is left alone: a round robin goes on, a table stays.
void HostSet::fill(Pool& pool, std::vector<Member> members) {
  if (members.empty()) return pool.picker.reset();
  if (pool.picker && same_hosts(pool.picker->members(), members)) {
    std::vector<double> weights;
    bool same = true;
    for (size_t i = 0; i < members.size(); ++i) {
      weights.push_back(members[i].weight);
      same &= members[i].weight == pool.picker->members()[i].weight;
    }
    if (!same) pool.picker->reweigh(weights);
    return;
  }
  if (!pool.picker) {
    Options options = hosts_.options;
    options.seed = random_.next();
    pool.picker = make_picker(options);
  }
  pool.picker->set_members(std::move(members));
}

}  // namespace mesh::balance

#include "forward/health_keeper.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace mesh::forward {

using resilience::HostTotals;
using resilience::OutlierEvent;
using upstream::HostCount;

HealthKeeper::HealthKeeper(event::Loop& loop, std::function<void()> checked)
    : loop_(loop),
      random_(Random::from_system()),
      timer_(loop, [this] { sweep(); }),
      checked_timer_(loop, std::move(checked)),
      checker_(loop, random_, log_, *this) {}

HealthKeeper::~HealthKeeper() = default;

void HealthKeeper::use(const Snapshot& snapshot, const std::string& event_log) {
  event_log_ = event_log;
  std::erase_if(outliers_, [&](const auto& entry) {
    const auto found = snapshot.clusters.find(entry.first);
    return found == snapshot.clusters.end() || !found->second->config->outlier;
  });
  for (const auto& [name, cluster] : snapshot.clusters) {
    if (!cluster->config->outlier) continue;
    Kept& kept = outliers_.try_emplace(name, Kept{loop_.now(), nullptr}).first->second;
    if (std::exchange(kept.spec, cluster) == cluster) continue;
    std::vector<resilience::HostHealth*> hosts;
    for (const upstream::EndpointSpec& e : cluster->endpoints) hosts.push_back(&e.shared->health);
    cluster->shared->outlier.set_hosts(std::move(hosts));
  }
  checker_.use(&snapshot.clusters, &snapshot.coming);
  arm();
}

void HealthKeeper::on_ejection() {
  checker_.look();
  sweep();
}

void HealthKeeper::sweep() {
  const Instant now = loop_.now();
  for (auto& [name, kept] : outliers_) {
    const bool passed = now - kept.interval_began >= kept.spec->outlier.interval;
    if (passed) kept.interval_began = now;
    sweep(*kept.spec, passed);
  }
  arm();
}

void HealthKeeper::sweep(const upstream::ClusterSpec& cluster, bool interval_passed) {
  resilience::Outlier& outlier = cluster.shared->outlier;
  if (interval_passed && cluster.outlier.by_statistics()) {
    std::vector<HostTotals> totals;
    totals.reserve(cluster.endpoints.size());
    for (const upstream::EndpointSpec& e : cluster.endpoints) {
      HostTotals& to = totals.emplace_back();
      e.shared->stats.each([&](const upstream::HostCounts& from) {
        to.good_answers += from.value(HostCount::RqSuccess);
        to.answers += from.value(HostCount::RqSuccess) + from.value(HostCount::Answers5xx);
        to.no_answers += from.value(HostCount::NoAnswers);
        to.connected += from.value(HostCount::Connected);
      });
    }
    outlier.evaluate(cluster.outlier, totals, loop_.now(), random_);
  }
  std::vector<OutlierEvent> events;
  outlier.sweep(loop_.now(), interval_passed, &events);
  for (const OutlierEvent& event : events) tell(cluster, event);
}

// A line of the log, and one of JSON as Envoy's data.cluster.v3 OutlierDetectionEvent.
void HealthKeeper::tell(const upstream::ClusterSpec& cluster, const OutlierEvent& event) {
  const std::string& host = cluster.endpoints[event.host].text;
  if (event.ejected)
    log::notice("host ejected", {{"cluster", cluster.name()},
                                 {"host", host},
                                 {"cause", to_string(event.cause)},
                                 {"ejections", std::to_string(event.ejections)}});
  else
    log::notice("host returned after ejection", {{"cluster", cluster.name()}, {"host", host}});
  if (event_log_.empty()) return;
  using upstream::json_text;
  std::string line =
      "{\"type\":" + json_text(to_string(event.cause)) +
      ",\"timestamp\":" + json_text(upstream::json_time(loop_.wall())) +
      ",\"cluster_name\":" + json_text(cluster.name()) + ",\"upstream_url\":" + json_text(host) +
      ",\"action\":\"" + (event.ejected ? "EJECT" : "UNEJECT") +
      "\",\"num_ejections\":" + std::to_string(event.ejections) + ",\"enforced\":true}";
  log_.write(event_log_, line);
}

void HealthKeeper::arm() {
  Instant next = Instant::max();
  for (const auto& [name, kept] : outliers_)
    next = std::min({next, kept.interval_began + kept.spec->outlier.interval,
                     kept.spec->shared->outlier.next_return()});
  if (next == Instant::max()) return timer_.cancel();
  timer_.arm(std::max<Duration>(next - loop_.now(), std::chrono::milliseconds(10)));
}

}  // namespace mesh::forward

#include "upstream/health_checker.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "upstream/health_probe.h"

namespace mesh::upstream {

using resilience::CheckResult;
using Transition = resilience::HealthRow::Transition;

namespace {

std::string_view type_of(xds::HealthCheck::Kind kind) {
  switch (kind) {
    case xds::HealthCheck::Kind::Http: return "HTTP";
    case xds::HealthCheck::Kind::Tcp: return "TCP";
    case xds::HealthCheck::Kind::Grpc: return "GRPC";
  }
  return "";
}

std::string_view failure_type(CheckResult result) {
  switch (result) {
    case CheckResult::Network: return "NETWORK";
    case CheckResult::Timeout: return "NETWORK_TIMEOUT";
    default: return "ACTIVE";
  }
}

bool is_network(CheckResult r) { return r == CheckResult::Network || r == CheckResult::Timeout; }

}  // namespace

// One host's checks.
class HealthChecker::Session final : private HealthProbe::Owner, private event::Deadline::Owner {
 public:
  Session(HealthChecker& checker, std::shared_ptr<const ClusterSpec> cluster, size_t host)
      : checker_(checker),
        cluster_(std::move(cluster)),
        host_(host),
        row_(shared().check.load(std::memory_order_acquire) == 0),
        probe_(checker.loop_, checker.blocks_, *this),
        due_(checker.loop_.wheel(), *this) {
    due_.arm(resilience::first_check(policy().policy, checker_.random_));
  }

  void configure(std::shared_ptr<const ClusterSpec> cluster, size_t host) {
    const bool anew = cluster->config->health_checks != cluster_->config->health_checks ||
                      (cluster_->needs_tls && !cluster_->tls && cluster->tls);
    cluster_ = std::move(cluster);
    host_ = host;
    // Other checks may say otherwise, and so may the same with a certificate: not to
    // wait for a long interval of the former.
    if (anew && !probe_.busy() && !waiting) due_.arm(Duration::zero());
  }

  void run() { probe_.check(cluster_, host_); }
  bool running() const { return probe_.busy(); }

  // What a worker has seen in an answer.
  void look() {
    if ((shared().check.load(std::memory_order_acquire) & SharedEndpoint::kFailedAtOnce) == 0)
      return;
    cluster_->shared->checks.passive_failure.add();
    const bool changed = row_.fail_now() == Transition::Changed;
    publish(CheckResult::Failed);
    if (changed) tell_ejected("ACTIVE", "x-envoy-immediate-health-check-fail in an answer");
  }

  bool checked() const { return row_.checked(); }
  bool healthy() const { return row_.healthy(); }
  const std::string& why() const { return why_; }

  bool waiting = false;  // in the checker's line

 private:
  const xds::HealthCheck& policy() const { return cluster_->config->health_checks.front(); }
  SharedEndpoint& shared() const { return *cluster_->endpoints[host_].shared; }

  void on_deadline(event::Deadline&) override {
    if (!probe_.busy()) checker_.want(*this);
  }

  void on_checked(CheckResult result, std::string_view why) override {
    look();  // before this result: it begins the row anew
    const bool first = !row_.checked();
    const Transition transition = row_.on_result(policy().policy, result);
    const bool healthy = row_.healthy();
    count(result);
    publish(result);
    const bool came = transition == Transition::Changed && healthy;
    if (came && !first)
      shared().health.returned_ns.store(
          std::chrono::nanoseconds(checker_.loop_.now().time_since_epoch()).count(),
          std::memory_order_relaxed);
    if (!is_success(result)) why_ = why;
    if (is_success(result)) {
      if (came)
        tell_added(first);
      else if (policy().always_log_success)
        tell("successful_health_check_event", "{}");
      uneject();
    } else {
      if (transition == Transition::Changed && !first) tell_ejected(failure_type(result), why);
      if (first || policy().always_log_failures) tell_failure(result, why, first);
    }
    const bool traffic = cluster_->shared->stats.sum(ClusterCount::CxTotal) != 0;
    due_.arm(resilience::next_check(policy().policy, is_success(result), transition, traffic,
                                    checker_.random_));
    checker_.finished();
    if (first) checker_.owner_.on_first_check();
  }

  void count(CheckResult result) {
    auto& checks = cluster_->shared->checks;
    checks.attempt.add();
    (is_success(result) ? checks.success : checks.failure).add();
    if (is_network(result)) checks.network_failure.add();
  }

  void publish(CheckResult result) {
    uint8_t bits = 0;
    if (!row_.healthy()) {
      bits = SharedEndpoint::kFailedCheck;
      if (result == CheckResult::Timeout) bits |= SharedEndpoint::kTimeoutCheck;
    } else if (row_.degraded()) {
      bits = SharedEndpoint::kDegradedCheck;
    }
    if (shared().check.exchange(bits, std::memory_order_acq_rel) == bits) return;
    cluster_->shared->check_epoch.fetch_add(1, std::memory_order_release);
  }

  void uneject() {
    if (!cluster_->config->outlier || !row_.healthy() ||
        !cluster_->outlier.successful_active_health_check_uneject_host)
      return;
    if (cluster_->shared->outlier.uneject(shared().health, checker_.loop_.now()))
      checker_.owner_.on_unejected();
  }

  void tell_added(bool first) {
    log::notice("host is healthy", {{"cluster", cluster_->name()}, {"host", text()}});
    tell("add_healthy_event", first ? "{\"first_check\":true}" : "{}");
  }

  void tell_ejected(std::string_view type, std::string_view why) {
    log::notice("host failed its health check",
                {{"cluster", cluster_->name()}, {"host", text()}, {"why", why}});
    tell("eject_unhealthy_event", "{\"failure_type\":\"" + std::string(type) + "\"}");
  }

  void tell_failure(CheckResult result, std::string_view why, bool first) {
    if (first && !row_.healthy())
      log::notice("host failed its first health check",
                  {{"cluster", cluster_->name()}, {"host", text()}, {"why", why}});
    tell("health_check_failure_event", "{\"failure_type\":\"" + std::string(failure_type(result)) +
                                           "\"" + (first ? ",\"first_check\":true" : "") + "}");
  }

  // As Envoy's data.core.v3 HealthCheckEvent in JSON.
  void tell(std::string_view event, std::string_view content) {
    if (policy().event_log_path.empty()) return;
    const net::Address& address = cluster_->endpoints[host_].address;
    std::string line =
        "{\"health_checker_type\":\"" + std::string(type_of(policy().kind)) + "\",\"host\":{";
    if (address.is_unix())
      line += "\"pipe\":{\"path\":" + json_text(address.host()) + "}";
    else
      line += "\"socket_address\":{\"protocol\":\"TCP\",\"address\":" + json_text(address.host()) +
              ",\"port_value\":" + std::to_string(address.port()) + "}";
    line += "},\"cluster_name\":" + json_text(cluster_->name()) + ",\"" + std::string(event) +
            "\":" + std::string(content) +
            ",\"timestamp\":" + json_text(json_time(checker_.loop_.wall())) + "}";
    checker_.log_.write(policy().event_log_path, line);
  }
  const std::string& text() const { return cluster_->endpoints[host_].text; }

  HealthChecker& checker_;
  std::shared_ptr<const ClusterSpec> cluster_;
  size_t host_;
  resilience::HealthRow row_;
  std::string why_;  // the last check that failed did
  HealthProbe probe_;
  event::Deadline due_;
};

HealthChecker::HealthChecker(event::Loop& loop, Random& random, EventLog& log, Owner& owner)
    : loop_(loop), random_(random), log_(log), owner_(owner) {}

HealthChecker::~HealthChecker() = default;

void HealthChecker::check(const Clusters& clusters, std::set<Key>& wanted) {
  for (const auto& [name, cluster] : clusters) {
    if (cluster->config->health_checks.empty()) continue;
    for (size_t i = 0; i < cluster->endpoints.size(); ++i) {
      if (cluster->assignment->endpoints[i].health_check_disabled) continue;
      const Key key(name, cluster->endpoints[i].text);
      if (!wanted.insert(key).second) continue;
      auto& session = sessions_[key];
      if (session)
        session->configure(cluster, i);
      else
        session = std::make_unique<Session>(*this, cluster, i);
    }
  }
}

void HealthChecker::use(const Clusters* clusters, const Clusters* coming) {
  std::set<Key> wanted;
  if (clusters != nullptr) check(*clusters, wanted);
  if (coming != nullptr) check(*coming, wanted);
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    std::erase(waiting_, it->second.get());
    if (it->second->running()) --running_;
    it = sessions_.erase(it);  // at once: nothing of its may come any more
  }
  // Places may have become free.
  ++running_;
  finished();
}

void HealthChecker::each(const std::function<void(const Finding&)>& visit) const {
  for (const auto& [key, session] : sessions_)
    if (session->checked())
      visit({.cluster = key.first,
             .host = key.second,
             .healthy = session->healthy(),
             .why = session->why()});
}

void HealthChecker::look() {
  for (auto& [key, session] : sessions_) session->look();
}

void HealthChecker::want(Session& session) {
  if (session.waiting) return;
  if (running_ < kChecksMax) {
    ++running_;
    return session.run();
  }
  session.waiting = true;
  waiting_.push_back(&session);
}

void HealthChecker::finished() {
  MESH_CHECK(running_ > 0);
  --running_;
  while (running_ < kChecksMax && !waiting_.empty()) {
    Session& next = *waiting_.front();
    waiting_.pop_front();
    next.waiting = false;
    ++running_;
    next.run();
  }
}

bool awaits_first_check(const ClusterSpec& cluster) {
  if (cluster.config->health_checks.empty()) return false;
  for (size_t i = 0; i < cluster.endpoints.size(); ++i)
    if (!cluster.assignment->endpoints[i].health_check_disabled &&
        (cluster.endpoints[i].shared->check.load(std::memory_order_acquire) &
         SharedEndpoint::kPendingCheck) != 0)
      return true;
  return false;
}

}  // namespace mesh::upstream

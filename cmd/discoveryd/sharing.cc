// What hosts tell each other through etcd: service.h.
#include <utility>

#include "base/log.h"
#include "cmd/discoveryd/service.h"
#include "cmd/discoveryd/workload_message.h"
#include "config/reader.h"
#include "etcd/settings.h"

namespace mesh::discoveryd {
namespace {

constexpr Duration kShareSettle = std::chrono::milliseconds(50);
// Unconfirmed from now on.
constexpr Duration kNoLease = std::chrono::milliseconds(1);

shared::v1::Instance instance_of(const discovery::Workload& from, const std::string& illness) {
  shared::v1::Instance out;
  out.set_illness(illness);
  *out.mutable_workload() = message_of(from);
  return out;
}

}  // namespace

Result<void> Service::start_sharing(daemon::Runtime& runtime) {
  if (!settings_.etcd) return {};
  SharedState::Options options;
  auto client = etcd::options_of(*settings_.etcd, runtime.paths().config_dir);
  if (!client) return config::in_field("etcd", std::move(client).error());
  options.client = *std::move(client);
  options.prefix = etcd::prefix_of(*settings_.etcd);
  options.host = settings_.host;
  options.lease = settings_.host_lease;
  options.start_grace = settings_.registry.start_grace;
  shared_ = std::make_unique<SharedState>(runtime.loop(), std::move(options),
                                          static_cast<SharedState::Owner&>(*this));
  share();
  shared_->start();
  return {};
}

// An instance of that name is registered here, or its forwarder is: others do not speak
// for it.
bool Service::ours(const discovery::Registry::Key& key) const {
  const auto known = registry_.find(key);
  return known && known->host.empty();
}

void Service::on_instance(discovery::Workload workload, const std::string& illness) {
  const discovery::Registry::Key key{workload.ns, workload.name};
  if (ours(key)) return;
  if (const auto added = registry_.add(std::move(workload), Duration(0), clock_.now()); !added)
    return log::warning("an instance of another host is left out", {{"why", added.error().text}});
  registry_.set_illness(key, illness);
  touch();
}

void Service::on_unconfirmed(discovery::Workload workload) {
  const discovery::Registry::Key key{workload.ns, workload.name};
  if (ours(key) || registry_.unconfirmed(key, clock_.now())) return;
  static_cast<void>(registry_.add(std::move(workload), kNoLease, clock_.now()));
  touch();
}

void Service::on_gone(const std::string& host, const SharedState::Key& key) {
  const auto known = registry_.find(key);
  if (known && known->host == host && registry_.remove(key)) touch();
}

void Service::share_soon() {
  instances_changed_ = true;
  share_host_soon();
}

void Service::share_host_soon() {
  if (shared_ && !share_timer_.armed()) share_timer_.arm(kShareSettle);
}

void Service::share_instances() {
  std::map<SharedState::Key, shared::v1::Instance> instances;
  for (const auto& workload : registry_.workloads()) {
    if (!workload.host.empty() || workload.state != discovery::Workload::State::Present) continue;
    const SharedState::Key key{workload.ns, workload.name};
    if (!registry_.unconfirmed(key, clock_.now()))
      instances.emplace(key, instance_of(workload, registry_.illness(key)));
  }
  shared_->set_instances(std::move(instances));
}

void Service::share() {
  if (std::exchange(instances_changed_, false)) share_instances();
  shared::v1::Host host;
  if (model_) host.set_generation(model_->objects().generation);
  publisher_.forget_refused();
  tell_forwarders(*host.mutable_forwarders());
  tell_refused(*host.mutable_refused());
  // What only grows old is no change.
  for (auto& forwarder : *host.mutable_forwarders()) {
    forwarder.clear_in_force_ms();
    forwarder.clear_connected_ms();
    forwarder.clear_sent_ms();
    forwarder.clear_acked_ms();
    forwarder.clear_hosts();
    forwarder.clear_pid();
    for (auto& rejection : *forwarder.mutable_rejections()) rejection.clear_since_ms();
  }
  for (auto& refused : *host.mutable_refused()) {
    refused.clear_since_ms();
    refused.clear_pid();
  }
  shared_->set_host(std::move(host));
}

}  // namespace mesh::discoveryd

#include "cmd/discoveryd/publisher.h"

#include <algorithm>

#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "cmd/discoveryd/node.h"
#include "identity/digest.h"
#include "mesh/discoveryd.pb.h"
#include "xds/decode.h"
#include "xds/node.h"
#include "xds/origin.h"

namespace mesh::discoveryd {
namespace {

using discovery::Model;
using discovery::Resource;
using discovery::Service;
using Hosts = discovery::Catalog::Hosts;

constexpr size_t kForwardersMax = 10'000;
constexpr size_t kRejectionsMax = 100;
constexpr size_t kHostBytesMax = 512;
constexpr size_t kAskedMax = 100'000;  // hosts, of a watch
constexpr size_t kAnswersMax = 4096;
constexpr const char* kHostType = "type.googleapis.com/mesh.discoveryd.v1.Host";

// A name is one process's for as long as it watches by it and runs: what has ended is
// followed at once, though its watches may last for a moment more. Processes that are
// not known by their ids, Envoys, are told apart by their users alone.
Result<void> check_taken(const Forwarder& holder, const bus::Peer& peer) {
  if (holder.uid == peer.uid && holder.pid == peer.pid) return {};
  if (process_ended(holder.pid)) return {};
  return Error{Errc::Refused,
               "the name " + text::quoted(holder.node.id) + " is that of " +
                   (holder.client.empty() ? "another forwarder" : "another client") +
                   (holder.pid == 0 ? " (" : " (pid " + std::to_string(holder.pid) + ", ") +
                   "uid " + std::to_string(holder.uid) +
                   "), which runs; give one of them another name:, or workload:"};
}

std::string client_of(const bus::Node& words) {
  const auto client = words.metadata.find(std::string(xds::node::kClient));
  return client == words.metadata.end() ? std::string() : client->second;
}

}  // namespace

std::string_view type_url(Type type) {
  switch (type) {
    case Type::Cluster: return xds::kClusterType;
    case Type::Endpoints: return xds::kEndpointType;
    case Type::Listener: return xds::kListenerType;
    case Type::Routes: return xds::kRouteType;
  }
  return {};
}

// ---- Forwarder

std::string Forwarder::acked_by_all() const {
  std::string result;
  for (const auto& [watcher, type] : watches) {
    const auto found = acked.find(watcher);
    if (found == acked.end()) return "";
    if (!result.empty() && result != found->second) return "";
    result = found->second;
  }
  return result;
}

bool Forwarder::watches_all() const {
  std::array<bool, kTypes> watched{};
  for (const auto& [watcher, type] : watches) watched[size_t(type)] = true;
  return std::find(watched.begin(), watched.end(), false) == watched.end();
}

bool Forwarder::settled() const {
  return watches_all() && std::all_of(watches.begin(), watches.end(),
                                      [](const auto& watch) { return watch.first->idle(); });
}

void Forwarder::on_changed(Type type, const Resource& resource) {
  unmarked[size_t(type)] = true;
  changed->insert(this);
  if (const auto found = rejections.find({type, resource.name});
      found != rejections.end() && found->second.version != resource.version)
    rejections.erase(found);
  for (const auto& [watcher, watched] : watches)
    if (watched == type && served()) watcher->offer(resource.name, resource.version, resource.body);
}

void Forwarder::on_removed(Type type, const std::string& name) {
  unmarked[size_t(type)] = true;
  changed->insert(this);
  rejections.erase({type, name});
  for (const auto& [watcher, watched] : watches)
    if (watched == type && served()) watcher->withdraw(name);
}

std::optional<Hosts> Forwarder::asked() const {
  if (!on_demand) return std::nullopt;
  Hosts all;
  for (const auto& [watcher, names] : asks) all.insert(names.begin(), names.end());
  return all;
}

discovery::Node Forwarder::node_for(const Model& model, const Hosts& more) const {
  discovery::Node result = node;
  auto all = asked();
  if (!all) return result;
  all->insert(more.begin(), more.end());
  result.hosts = discovery::demand_of(model, node, *all).hosts;
  return result;
}

// ---- Providers

// What all five types have in common: a watch belongs to a forwarder.
class Publisher::Provider : public bus::WatchProvider {
 public:
  explicit Provider(Publisher& publisher) : publisher_(publisher) {}
  Result<void> on_open(bus::Watcher& watcher) override;
  void on_gone(bus::Watcher& watcher) override;

 protected:
  ~Provider() = default;
  Publisher& publisher_;
};

class Publisher::ResourceProvider final : public Publisher::Provider {
 public:
  ResourceProvider(Publisher& publisher, Type type) : Provider(publisher), type_(type) {}
  void on_subscribe(bus::Watcher& watcher, const std::vector<std::string>& names) override;
  void on_ack(bus::Watcher& watcher, std::string_view generation) override;
  void on_nack(bus::Watcher& watcher, std::string_view name, std::string_view version,
               std::string_view reason) override;
  void on_in_force(bus::Watcher& watcher, std::string_view generation) override;

 private:
  const Type type_;
};

class Publisher::HostProvider final : public Publisher::Provider {
 public:
  using Provider::Provider;
  Result<void> on_open(bus::Watcher& watcher) override;
  void on_subscribe(bus::Watcher& watcher, const std::vector<std::string>& names) override;
  void on_unsubscribe(bus::Watcher& watcher, const std::vector<std::string>& names) override;
};

Result<void> Publisher::Provider::on_open(bus::Watcher& watcher) {
  auto opened = publisher_.open(watcher);
  if (!opened) publisher_.refuse(watcher, opened.error());
  return opened;
}

Result<void> Publisher::open(bus::Watcher& watcher) {
  auto& all = forwarders_;
  MESH_TRY(auto node, node_of(watcher.node()));
  const bus::Peer& peer = watcher.peer();
  const auto found = all.find(node.id);
  if (found == all.end() && all.size() >= kForwardersMax)
    return Error{Errc::TooBig, "over 10000 forwarders"};
  if (found != all.end()) MESH_TRY_VOID(check_taken(found->second, peer));
  observer_.complete(node, watcher.node());
  const bool fresh = found == all.end();
  Forwarder& forwarder = fresh ? all[node.id] : found->second;
  if (fresh) {
    forwarder.changed = &changed_;
    forwarder.connected = clock_.now();
    log::info("forwarder", {{"node", node.id}, {"workload", node.workload}});
  }
  const bool other = fresh || !(forwarder.node == node);
  forwarder.node = std::move(node);
  forwarder.on_demand = on_demand(watcher.node());
  forwarder.uid = peer.uid;
  forwarder.pid = peer.pid;
  forwarder.client = client_of(watcher.node());
  ++forwarder.open;
  by_watcher_[&watcher] = &forwarder;
  refusals_.remove({watcher.node().id, peer.uid, peer.pid});
  observer_.arrived(forwarder.node, watcher.node());
  // This watch has not subscribed yet and hears nothing of it; others may.
  if (other) {
    catalog_.set(forwarder, forwarder.node, forwarder.asked());
    if (model() != nullptr) mark(forwarder);
  }
  return {};
}

void Publisher::refuse(const bus::Watcher& watcher, const Error& error) {
  const bus::Node& node = watcher.node();
  const bus::Peer& peer = watcher.peer();
  forget_refused();
  if (!refusals_.add({node.id, peer.uid, peer.pid},
                     {.ns = node.workload_namespace,
                      .workload = node.workload,
                      .client = client_of(node),
                      .reason = error.text},
                     clock_.now()))
    return;
  log::warning("a forwarder is refused",
               {{"node", node.id}, {"uid", peer.uid}, {"pid", peer.pid}, {"reason", error.text}});
  observer_.refused();
}

bool Publisher::forget_refused() {
  refusals_.expire(clock_.now(), process_ended);
  return !refusals_.all().empty();
}

void Publisher::Provider::on_gone(bus::Watcher& watcher) {
  Forwarder* const forwarder = publisher_.find(watcher);
  publisher_.by_watcher_.erase(&watcher);
  if (forwarder == nullptr) return;
  const discovery::Node node = forwarder->node;
  forwarder->watches.erase(&watcher);
  forwarder->acked.erase(&watcher);
  forwarder->unanswered.erase(&watcher);
  forwarder->waiting.erase(&watcher);
  if (forwarder->asks.erase(&watcher) > 0) publisher_.ask(*forwarder);
  if (--forwarder->open == 0) {
    log::info("forwarder gone", {{"node", node.id}});
    publisher_.catalog_.leave(*forwarder);
    publisher_.changed_.erase(forwarder);
    publisher_.forwarders_.erase(node.id);
  }
  publisher_.observer_.left(node, watcher.node());
}

void Publisher::ResourceProvider::on_subscribe(bus::Watcher& watcher,
                                               const std::vector<std::string>& names) {
  Forwarder* const forwarder = publisher_.find(watcher);
  if (forwarder == nullptr) return;
  forwarder->watches[&watcher] = type_;
  if (publisher_.model() == nullptr || !forwarder->served()) return;
  publisher_.offer(*forwarder, watcher, type_);
  for (const auto& name : names)
    if (name != bus::kAll && publisher_.catalog_.find(*forwarder, type_, name) == nullptr)
      watcher.withdraw(name);
  publisher_.set_sent(*forwarder);
  watcher.mark(forwarder->sent);
}

void Publisher::ResourceProvider::on_ack(bus::Watcher& watcher, std::string_view generation) {
  Forwarder* const forwarder = publisher_.find(watcher);
  publisher_.observer_.answered();
  if (forwarder == nullptr) return;
  publisher_.answer_hosts(*forwarder);
  if (generation.empty()) return;
  std::string& acked = forwarder->acked[&watcher];
  if (acked == generation) return;
  acked = generation;
  forwarder->acked_since = publisher_.clock_.now();
}

void Publisher::ResourceProvider::on_nack(bus::Watcher& watcher, std::string_view name,
                                          std::string_view version, std::string_view reason) {
  Forwarder* const forwarder = publisher_.find(watcher);
  publisher_.observer_.answered();
  if (forwarder == nullptr) return;
  publisher_.answer_hosts(*forwarder);
  const Resource* const resource = publisher_.catalog_.find(*forwarder, type_, name);
  std::string origin;
  if (resource != nullptr && resource->version == version)
    origin = xds::refused_origin(type_url(type_), *resource->body, reason);
  log::warning("a forwarder refuses a resource", {{"node", forwarder->node.id},
                                                  {"resource", name},
                                                  {"reason", reason},
                                                  {"place", publisher_.place(origin)}});
  if (forwarder->rejections.size() >= kRejectionsMax) return;
  forwarder->rejections.insert_or_assign({type_, std::string(name)},
                                         Forwarder::Rejection{.version = std::string(version),
                                                              .reason = std::string(reason),
                                                              .origin = std::move(origin),
                                                              .since = publisher_.clock_.now()});
}

void Publisher::ResourceProvider::on_in_force(bus::Watcher& watcher, std::string_view generation) {
  Forwarder* const forwarder = publisher_.find(watcher);
  if (forwarder == nullptr || forwarder->in_force == generation) return;
  forwarder->in_force = generation;
  forwarder->in_force_since = publisher_.clock_.now();
}

// From here on it is served: who asks for nothing has no host, and the rest.
Result<void> Publisher::HostProvider::on_open(bus::Watcher& watcher) {
  MESH_TRY_VOID(Provider::on_open(watcher));
  Forwarder& forwarder = *publisher_.find(watcher);
  const bool first = !forwarder.served();
  forwarder.asks[&watcher];
  if (!first || publisher_.model() == nullptr) return {};
  for (const auto& [other, type] : forwarder.watches) publisher_.offer(forwarder, *other, type);
  publisher_.mark(forwarder);
  return {};
}

void Publisher::HostProvider::on_subscribe(bus::Watcher& watcher,
                                           const std::vector<std::string>& names) {
  Forwarder* const forwarder = publisher_.find(watcher);
  if (forwarder == nullptr) return;
  Hosts& asked = forwarder->asks[&watcher];
  // The first are those that it has since an earlier life: nothing is taken away from it.
  const bool early = asked.empty() || !forwarder->watches_all();
  Hosts& pending = (early ? forwarder->unanswered : forwarder->waiting)[&watcher];
  for (const auto& name : names) {
    if (name == bus::kAll || name.size() > kHostBytesMax) continue;
    if (asked.size() >= kAskedMax && !asked.contains(name)) {
      watcher.withdraw(name);
      continue;
    }
    asked.insert(name);
    pending.insert(name);
  }
  if (early) {
    publisher_.ask(*forwarder);
    publisher_.finish();
  }
  publisher_.answer_hosts(*forwarder);
}

void Publisher::HostProvider::on_unsubscribe(bus::Watcher& watcher,
                                             const std::vector<std::string>& names) {
  Forwarder* const forwarder = publisher_.find(watcher);
  if (forwarder == nullptr) return;
  for (auto* const pending : {&forwarder->asks, &forwarder->unanswered, &forwarder->waiting})
    if (const auto found = pending->find(&watcher); found != pending->end())
      for (const auto& name : names) found->second.erase(name);
  publisher_.ask(*forwarder);
  publisher_.finish();
}

// ---- Publisher

Publisher::Publisher(const Clock& clock, Observer observer)
    : clock_(clock), observer_(std::move(observer)), hosts_(std::make_unique<HostProvider>(*this)) {
  for (size_t i = 0; i < kTypes; ++i)
    providers_[i] = std::make_unique<ResourceProvider>(*this, static_cast<Type>(i));
}

Publisher::~Publisher() = default;

void Publisher::serve(bus::Server& server) {
  for (size_t i = 0; i < kTypes; ++i)
    server.serve(bus::Allow::Workload, std::string(type_url(static_cast<Type>(i))), *providers_[i]);
  server.serve(bus::Allow::Workload, kHostType, *hosts_);
}

bus::WatchProvider& Publisher::provider(Type type) { return *providers_[size_t(type)]; }

void Publisher::publish(std::shared_ptr<const Model> model, const discovery::Extent& extent) {
  catalog_.set_model(std::move(model), extent);
  for (auto& [id, forwarder] : forwarders_) {
    // Before its hosts are known it is told nothing; then offer() tells all.
    if (forwarder.served()) mark(forwarder);
    if (catalog_.touched(forwarder)) {
      forwarder.unanswered = forwarder.asks;
      for (const auto& [watcher, names] : forwarder.waiting)
        for (const auto& name : names) forwarder.unanswered[watcher].erase(name);
    }
    answer_hosts(forwarder);
  }
}

void Publisher::publish_instance(const Model::Key& key,
                                 const std::vector<const Service*>& services) {
  catalog_.on_instances(services);
  catalog_.on_workload(key);
}

void Publisher::set_node(const std::string& id, discovery::Node node) {
  const auto found = forwarders_.find(id);
  if (found == forwarders_.end() || found->second.node == node) return;
  found->second.node = std::move(node);
  catalog_.set(found->second, found->second.node, found->second.asked());
}

Publisher::Unanswered Publisher::unanswered(const std::vector<const Service*>& services) const {
  Unanswered result;
  for (const auto& [id, forwarder] : forwarders_) {
    const bool has = std::any_of(services.begin(), services.end(), [&](const Service* service) {
      return std::any_of(service->ports.begin(), service->ports.end(), [&](const auto& port) {
        return catalog_.find(forwarder, Type::Endpoints,
                             discovery::outbound_name(port.number, "", service->host)) != nullptr;
      });
    });
    if (!has) continue;
    ++result.all;
    result.pending += std::any_of(
        forwarder.watches.begin(), forwarder.watches.end(),
        [](const auto& watch) { return watch.second == Type::Endpoints && !watch.first->idle(); });
  }
  return result;
}

// Endpoints take effect as they come; other types when they are marked.
void Publisher::finish() {
  for (Forwarder* const forwarder : std::exchange(changed_, {})) {
    const auto unmarked = std::exchange(forwarder->unmarked, {});
    if (!forwarder->served() || model() == nullptr) continue;
    for (size_t i = 0; i < kTypes; ++i) {
      if (!unmarked[i] || Type(i) == Type::Endpoints) continue;
      for (const auto& [watcher, type] : forwarder->watches)
        if (size_t(type) == i) watcher->mark(forwarder->sent);
    }
  }
}

void Publisher::set_sent(Forwarder& forwarder) {
  const std::string& generation = model()->objects().generation;
  if (forwarder.sent == generation) return;
  forwarder.sent = generation;
  forwarder.sent_since = clock_.now();
}

void Publisher::mark(Forwarder& forwarder) {
  changed_.erase(&forwarder);
  forwarder.unmarked = {};
  if (!forwarder.watches.empty()) set_sent(forwarder);
  for (size_t i = 0; i < kTypes; ++i)
    for (const auto& [watcher, type] : forwarder.watches)
      if (size_t(type) == i) watcher->mark(forwarder.sent);
}

void Publisher::offer(Forwarder& forwarder, bus::Watcher& watcher, Type type) {
  catalog_.each(forwarder, type, [&](const Resource& resource) {
    watcher.offer(resource.name, resource.version, resource.body);
  });
}

// Whoever has an answer has the resources: they were acknowledged before. Who asks for many hosts
// at once gets them together, but the first, and not each by itself.
void Publisher::answer_hosts(Forwarder& forwarder) {
  const auto pending = [&] { return !forwarder.unanswered.empty() || !forwarder.waiting.empty(); };
  while (pending() && model() != nullptr && forwarder.settled()) {
    tell_hosts(forwarder);
    if (forwarder.waiting.empty()) return;
    forwarder.unanswered = std::exchange(forwarder.waiting, {});
    ask(forwarder);
    finish();
  }
}

void Publisher::tell_hosts(Forwarder& forwarder) {
  for (const auto& [watcher, names] : std::exchange(forwarder.unanswered, {})) {
    for (const auto& name : names) {
      const auto hosts = catalog_.find(forwarder, name);
      if (!hosts) {
        watcher->withdraw(name);
        continue;
      }
      const Answer& is = answer(*hosts);
      watcher->offer(name, is.version, is.body);
    }
    watcher->mark(model()->objects().generation);
  }
}

// After a change many are told the same again.
const Publisher::Answer& Publisher::answer(const Hosts& services) {
  if (answers_.size() >= kAnswersMax) answers_.clear();
  const auto [answer, fresh] = answers_.try_emplace(services);
  if (fresh) {
    v1::Host message;
    for (const auto& service : services) message.add_services(service);
    auto body = std::make_shared<const std::string>(message.SerializeAsString());
    answer->second = {text::to_hex(identity::sha256(*body)).substr(0, 16), std::move(body)};
  }
  return answer->second;
}

void Publisher::ask(Forwarder& forwarder) { catalog_.set_asked(forwarder, forwarder.asked()); }

Forwarder* Publisher::find(bus::Watcher& watcher) {
  const auto found = by_watcher_.find(&watcher);
  return found == by_watcher_.end() ? nullptr : found->second;
}

}  // namespace mesh::discoveryd

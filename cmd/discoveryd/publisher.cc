#include "cmd/discoveryd/publisher.h"

#include <algorithm>

#include "base/log.h"
#include "cmd/discoveryd/node.h"
#include "xds/decode.h"
#include "xds/node.h"
#include "xds/origin.h"

namespace mesh::discoveryd {
namespace {

using discovery::Model;
using discovery::Resource;
using discovery::Service;

constexpr size_t kForwardersMax = 10'000;
constexpr size_t kRejectionsMax = 100;

bool same_instances(const Service& a, const Service& b) {
  return std::equal(a.workloads.begin(), a.workloads.end(), b.workloads.begin(), b.workloads.end(),
                    [](const auto* left, const auto* right) { return *left == *right; });
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

Publisher::Publisher(const Clock& clock, Observer observer)
    : clock_(clock), observer_(std::move(observer)) {
  for (size_t i = 0; i < kTypes; ++i)
    providers_[i] = std::make_unique<Provider>(*this, static_cast<Type>(i));
}

void Publisher::serve(bus::Server& server) {
  for (size_t i = 0; i < kTypes; ++i)
    server.serve(bus::Allow::Workload, std::string(type_url(static_cast<Type>(i))), *providers_[i]);
}

void Publisher::publish(std::shared_ptr<const Model> model) {
  const auto before = std::exchange(model_, std::move(model));
  std::erase_if(shared_, [](const auto& item) { return item.second.expired(); });
  const bool same_objects = before != nullptr && &before->objects() == &model_->objects();
  if (same_objects && publish_instances(*before)) return;
  for (auto& [id, forwarder] : forwarders_) {
    compile(forwarder);
    mark(forwarder);
  }
}

// The objects are the same, only instances changed. False where that reaches
// beyond assignments, and everything must be compiled.
bool Publisher::publish_instances(const Model& before) {
  const auto& old_services = before.services();
  const auto& services = model_->services();
  if (old_services.size() != services.size()) return false;
  std::vector<const Service*> changed;
  for (size_t i = 0; i < services.size(); ++i) {
    if (same_instances(old_services[i], services[i])) continue;
    if (cluster_inputs(before, old_services[i]) != cluster_inputs(*model_, services[i]))
      return false;
    changed.push_back(&services[i]);
  }
  for (auto& [id, forwarder] : forwarders_) {
    const auto* was = before.workload_of(forwarder.node);
    const auto* is = model_->workload_of(forwarder.node);
    // Its own instance came, went or moved: its listeners do too.
    if ((was == nullptr) != (is == nullptr) ||
        (is != nullptr && (was->address != is->address || was->ports != is->ports ||
                           was->labels != is->labels || was->locality != is->locality))) {
      compile(forwarder);
      mark(forwarder);
      continue;
    }
    const auto visible = model_->services_for(forwarder.node);
    bool any = false;
    for (const auto* service : changed) {
      if (std::find(visible.begin(), visible.end(), service) == visible.end()) continue;
      compile_endpoints(forwarder, *service);
      any = true;
    }
    if (any) mark(forwarder);
  }
  return true;
}

void Publisher::compile(Forwarder& forwarder) {
  const auto& node = forwarder.node;
  take(forwarder, Type::Cluster, compile_clusters(*model_, node));
  std::vector<Resource> endpoints;
  for (const auto* service : model_->services_for(node))
    for (auto& one : discovery::compile_endpoints(*model_, *service, node))
      endpoints.push_back(std::move(one));
  take(forwarder, Type::Endpoints, std::move(endpoints));
  take(forwarder, Type::Listener, compile_listeners(*model_, node));
  take(forwarder, Type::Routes, compile_routes(*model_, node));
}

void Publisher::compile_endpoints(Forwarder& forwarder, const Service& service) {
  auto& held = forwarder.resources[size_t(Type::Endpoints)];
  for (auto& resource : discovery::compile_endpoints(*model_, service, forwarder.node)) {
    Resource& mine = held[resource.name];
    if (mine.version == resource.version) continue;
    mine = std::move(resource);
    for (const auto& [watcher, type] : forwarder.watches)
      if (type == Type::Endpoints) watcher->offer(mine.name, mine.version, mine.body);
  }
}

// Replaces a type's resources and tells the watches of that type.
void Publisher::take(Forwarder& forwarder, Type type, std::vector<Resource> resources) {
  auto& held = forwarder.resources[size_t(type)];
  std::map<std::string, Resource> now;
  for (auto& resource : resources) {
    auto& one = shared_[resource.version];
    if (auto body = one.lock())
      resource.body = std::move(body);
    else
      one = resource.body;
    now.insert_or_assign(resource.name, std::move(resource));
  }
  std::swap(held, now);
  for (const auto& [watcher, watched] : forwarder.watches) {
    if (watched != type) continue;
    for (const auto& [name, gone] : now)
      if (!held.contains(name)) watcher->withdraw(name);
    for (const auto& [name, resource] : held) watcher->offer(name, resource.version, resource.body);
  }
  std::erase_if(forwarder.rejections, [&](const auto& item) {
    if (item.first.first != type) return false;
    const auto found = held.find(item.first.second);
    return found == held.end() || found->second.version != item.second.version;
  });
}

void Publisher::set_sent(Forwarder& forwarder) {
  const std::string& generation = model_->objects().generation;
  if (forwarder.sent == generation) return;
  forwarder.sent = generation;
  forwarder.sent_since = clock_.now();
}

void Publisher::mark(Forwarder& forwarder) {
  if (!forwarder.watches.empty()) set_sent(forwarder);
  for (size_t i = 0; i < kTypes; ++i)
    for (const auto& [watcher, type] : forwarder.watches)
      if (size_t(type) == i) watcher->mark(forwarder.sent);
}

void Publisher::offer(Forwarder& forwarder, bus::Watcher& watcher, Type type) {
  for (const auto& [name, resource] : forwarder.resources[size_t(type)])
    watcher.offer(name, resource.version, resource.body);
}

Forwarder* Publisher::find(bus::Watcher& watcher) {
  const auto id = by_watcher_.find(&watcher);
  if (id == by_watcher_.end()) return nullptr;
  const auto found = forwarders_.find(id->second);
  return found == forwarders_.end() ? nullptr : &found->second;
}

Result<void> Publisher::Provider::on_open(bus::Watcher& watcher) {
  auto& all = publisher_.forwarders_;
  MESH_TRY(auto node, node_of(watcher.node()));
  const auto found = all.find(node.id);
  if (found == all.end() && all.size() >= kForwardersMax)
    return Error{Errc::TooBig, "over 10000 forwarders"};
  const std::string id = node.id;
  const bool fresh = found == all.end();
  Forwarder& forwarder = all[id];
  if (fresh) {
    forwarder.connected = publisher_.clock_.now();
    log::info("forwarder", {{"node", id}, {"workload", node.workload}});
  }
  const bool other = fresh || !(forwarder.node == node);
  forwarder.node = std::move(node);
  forwarder.uid = watcher.peer().uid;
  const auto client = watcher.node().metadata.find(std::string(xds::node::kClient));
  if (client != watcher.node().metadata.end()) forwarder.client = client->second;
  ++forwarder.open;
  publisher_.by_watcher_[&watcher] = id;
  publisher_.observer_.arrived(forwarder.node, watcher.node());
  // This watch has not subscribed yet and hears nothing of it; others may.
  if (publisher_.model_ != nullptr && other) {
    publisher_.compile(forwarder);
    publisher_.mark(forwarder);
  }
  return {};
}

void Publisher::Provider::on_subscribe(bus::Watcher& watcher,
                                       const std::vector<std::string>& names) {
  Forwarder* const forwarder = publisher_.find(watcher);
  if (forwarder == nullptr) return;
  forwarder->watches[&watcher] = type_;
  if (publisher_.model_ == nullptr) return;
  publisher_.offer(*forwarder, watcher, type_);
  const auto& held = forwarder->resources[size_t(type_)];
  for (const auto& name : names)
    if (name != bus::kAll && !held.contains(name)) watcher.withdraw(name);
  publisher_.set_sent(*forwarder);
  watcher.mark(forwarder->sent);
}

void Publisher::Provider::on_ack(bus::Watcher& watcher, std::string_view generation) {
  Forwarder* const forwarder = publisher_.find(watcher);
  if (forwarder == nullptr || generation.empty()) return;
  std::string& acked = forwarder->acked[&watcher];
  if (acked == generation) return;
  acked = generation;
  forwarder->acked_since = publisher_.clock_.now();
}

void Publisher::Provider::on_nack(bus::Watcher& watcher, std::string_view name,
                                  std::string_view version, std::string_view reason) {
  Forwarder* const forwarder = publisher_.find(watcher);
  if (forwarder == nullptr) return;
  const auto& held = forwarder->resources[size_t(type_)];
  const auto resource = held.find(std::string(name));
  std::string origin;
  if (resource != held.end() && resource->second.version == version)
    origin = xds::refused_origin(type_url(type_), *resource->second.body, reason);
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

void Publisher::Provider::on_in_force(bus::Watcher& watcher, std::string_view generation) {
  Forwarder* const forwarder = publisher_.find(watcher);
  if (forwarder == nullptr || forwarder->in_force == generation) return;
  forwarder->in_force = generation;
  forwarder->in_force_since = publisher_.clock_.now();
}

void Publisher::Provider::on_gone(bus::Watcher& watcher) {
  Forwarder* const forwarder = publisher_.find(watcher);
  publisher_.by_watcher_.erase(&watcher);
  if (forwarder == nullptr) return;
  const discovery::Node node = forwarder->node;
  forwarder->watches.erase(&watcher);
  forwarder->acked.erase(&watcher);
  if (--forwarder->open == 0) {
    log::info("forwarder gone", {{"node", node.id}});
    publisher_.forwarders_.erase(node.id);
  }
  publisher_.observer_.left(node);
}

}  // namespace mesh::discoveryd

#include "discovery/catalog.h"

#include <algorithm>

#include "base/check.h"

namespace mesh::discovery {
namespace {

bool by_name(const ResourcePtr& a, const ResourcePtr& b) { return a->name < b->name; }

auto lower_bound(const std::vector<ResourcePtr>& list, std::string_view name) {
  return std::lower_bound(list.begin(), list.end(), name,
                          [](const ResourcePtr& r, std::string_view n) { return r->name < n; });
}

// What units depend on of the caller.
Node unit_words(const Model& model, const Node& node) {
  Node words;
  words.ns = node.ns;
  words.locality = model.locality(node);
  if (model.heeds().labels) words.labels = node.labels;
  if (model.heeds().workload) words.workload = node.workload;
  if (model.heeds().credentials) words.credentials = node.credentials;
  return words;
}

// The node without its workload: what goes out.
Node outbound_words(const Model& model, const Node& node) {
  Node words = node;
  // Spans are a workload's, or a client's by its name.
  const bool named = model.heeds().spans;
  if (!named || !node.workload.empty()) words.id.clear();
  words.service_account.clear();
  words.proxy_protocol_peers.clear();
  words.capture_inbound = {};
  words.locality = model.locality(node);
  if (!model.heeds().workload && !named) words.workload.clear();
  return words;
}

// Its Sidecar; "": it has none.
std::string sidecar_of(const Model& model, const Node& node) {
  const auto* const sidecar = model.sidecar(node.ns, node.labels);
  return sidecar == nullptr ? std::string() : sidecar->ns + "/" + sidecar->name;
}

// What its labels choose of what goes out: its Sidecar and its gateways.
std::string chosen_by(const Model& model, const Node& node) {
  std::string chosen = sidecar_of(model, node);
  for (const auto& gateway : model.objects().gateways)
    if (selects(gateway.spec.selector(), node.labels))
      chosen += " " + gateway.ns + "/" + gateway.name;
  return chosen;
}

std::string bucket_of(const Node& node) {
  std::string key = node.ns + "\n" + node.outbound;
  if (node.hosts != nullptr)
    for (const auto& host : *node.hosts) key += "\n" + host;
  return key;
}

bool same_but_hosts(Node a, Node b, bool labels_matter) {
  const bool same_hosts =
      (a.hosts == nullptr) == (b.hosts == nullptr) && (a.hosts == nullptr || *a.hosts == *b.hosts);
  a.hosts = b.hosts = nullptr;
  if (!labels_matter) a.labels = b.labels = {};
  return same_hosts && a == b;
}

template <class Map>
void drop_expired(Map& map) {
  std::erase_if(map, [](const auto& item) { return item.second.expired(); });
}

}  // namespace

// Views into both sides.
struct Catalog::Difference {
  std::vector<ResourcePtr> changed;
  std::vector<std::string> removed;
};

Catalog::Difference Catalog::difference(const Resources& before, const Resources& now) {
  Difference result;
  auto was = before.begin();
  for (const auto& is : now) {
    for (; was != before.end() && (*was)->name < is->name; ++was)
      result.removed.push_back((*was)->name);
    const bool known = was != before.end() && (*was)->name == is->name;
    if (!known || (*was != is && (*was)->version != is->version)) result.changed.push_back(is);
    if (known) ++was;
  }
  for (; was != before.end(); ++was) result.removed.push_back((*was)->name);
  return result;
}

void Catalog::tell(const Difference& difference, Type type, Member& member) {
  for (const auto& resource : difference.changed) member.on_changed(type, *resource);
  for (const auto& name : difference.removed) member.on_removed(type, name);
}

// Equal bodies are one, whoever has them.
ResourcePtr Catalog::shared(Resource resource) {
  auto& known = shared_[resource.version];
  if (auto one = known.lock(); one != nullptr && one->name == resource.name) return one;
  auto made = std::make_shared<const Resource>(std::move(resource));
  known = made;
  return made;
}

Catalog::Resources Catalog::shared(std::vector<Resource> resources) {
  Resources result;
  result.reserve(resources.size());
  for (auto& resource : resources) result.push_back(shared(std::move(resource)));
  // Of two of a name the later one counts.
  std::stable_sort(result.begin(), result.end(), by_name);
  for (size_t i = 0; i + 1 < result.size(); ++i)
    if (result[i]->name == result[i + 1]->name) result[i] = nullptr;
  std::erase(result, nullptr);
  return result;
}

std::shared_ptr<Catalog::View> Catalog::view_of(const Node& node) {
  const Node words = unit_words(*model_, node);
  const auto [begin, end] = views_.equal_range(words.ns);
  for (auto it = begin; it != end; ++it)
    if (auto view = it->second.lock(); view != nullptr && view->node == words) return view;
  auto view = std::make_shared<View>(View{.node = words, .units = {}});
  views_.emplace(words.ns, view);
  return view;
}

std::shared_ptr<Catalog::Unit> Catalog::unit_of(View& view, const Service& service) {
  auto& known = view.units[{service.host, service.ns}];
  if (auto unit = known.lock()) return unit;
  auto unit = std::make_shared<Unit>();
  unit->key = {service.host, service.ns};
  compile(*unit, view, service);
  known = unit;
  return unit;
}

void Catalog::compile(Unit& unit, const View& view, const Service& service) {
  ++stats_.units;
  unit.clusters = shared(compile_service_clusters(*model_, service, view.node));
  unit.endpoints = shared(compile_endpoints(*model_, service, view.node));
}

std::shared_ptr<Catalog::Scope> Catalog::scope_of(Entry& entry) {
  const bool labels_matter = model_->heeds().labels || model_->heeds().spans;
  Node words = outbound_words(*model_, entry.node);
  entry.demand = entry.asked ? demand_of(*model_, entry.node, *entry.asked) : Demand();
  words.hosts = entry.demand.hosts;
  std::string chosen = chosen_by(*model_, entry.node);
  const std::string bucket = bucket_of(words);
  const auto [begin, end] = scopes_.equal_range(bucket);
  for (auto it = begin; it != end; ++it)
    if (auto scope = it->second.lock(); scope != nullptr && scope->chosen == chosen &&
                                        same_but_hosts(scope->node, words, labels_matter)) {
      // Those of before may choose something else by now.
      scope->node.labels = std::move(words.labels);
      return scope;
    }
  auto scope = std::make_shared<Scope>();
  scope->node = std::move(words);
  scope->chosen = std::move(chosen);
  scopes_.emplace(bucket, scope);
  return scope;
}

void Catalog::compile(Scope& scope) {
  ++stats_.scopes;
  scope.round = round_;
  scope.view = view_of(scope.node);
  if (scope.built != nullptr)
    for (const auto& unit : scope.built->units) unit->scopes.erase(&scope);
  auto built = std::make_shared<Built>();
  auto& [clusters, endpoints, listeners, routes] = built->sets;
  for (const auto* service : model_->services_for(scope.node)) {
    auto unit = unit_of(*scope.view, *service);
    unit->scopes.insert(&scope);
    clusters.insert(clusters.end(), unit->clusters.begin(), unit->clusters.end());
    endpoints.insert(endpoints.end(), unit->endpoints.begin(), unit->endpoints.end());
    built->units.push_back(std::move(unit));
  }
  std::stable_sort(clusters.begin(), clusters.end(), by_name);
  std::stable_sort(endpoints.begin(), endpoints.end(), by_name);
  listeners = listen(scope);
  routes = compile_routes(scope, *built);
  scope.built = std::move(built);
}

// Out of what the units have, and into them what they have not.
Catalog::Resources Catalog::compile_routes(const Scope& scope, const Built& built) {
  const std::string sidecar = sidecar_of(*model_, scope.node);
  const auto parts_of = [&](const Service& service) -> RouteParts& {
    const auto unit = std::lower_bound(
        built.units.begin(), built.units.end(), service.host,
        [](const auto& one, const std::string& host) { return one->key.first < host; });
    MESH_CHECK(unit != built.units.end() && (*unit)->key.first == service.host);
    return (*unit)->routes[sidecar];
  };
  return shared(discovery::compile_routes(*model_, scope.node, parts_of));
}

// Where connections are captured there are listeners of all services' ports: compiled for each set
// of hosts anew, every first request in the mesh would cost as much.
const Catalog::Resources& Catalog::listen(Scope& scope) {
  const bool labels_matter = model_->heeds().labels || model_->heeds().spans;
  Node words = scope.node;
  if (words.hosts != nullptr) words.hosts = std::make_shared<const Hosts>();
  auto& mine = scope.listening;
  if (mine == nullptr) {
    const auto [begin, end] = listenings_.equal_range(words.ns);
    for (auto it = begin; it != end && mine == nullptr; ++it)
      if (auto one = it->second.lock(); one != nullptr && one->chosen == scope.chosen &&
                                        same_but_hosts(one->node, words, labels_matter))
        mine = std::move(one);
  }
  if (mine == nullptr) {
    mine = std::make_shared<Listening>(
        Listening{.node = std::move(words), .chosen = scope.chosen, .round = 0, .listeners = {}});
    listenings_.emplace(mine->node.ns, mine);
  } else if (mine->round == round_) {
    return mine->listeners;
  }
  ++stats_.listeners;
  mine->round = round_;
  mine->listeners = shared(compile_outbound_listeners(*model_, scope.node));
  return mine->listeners;
}

Catalog::Sets Catalog::own_of(const Node& node) {
  ++stats_.own;
  Sets own;
  own[size_t(Type::Cluster)] = shared(compile_inbound_clusters(*model_, node));
  own[size_t(Type::Listener)] = shared(compile_inbound_listeners(*model_, node));
  return own;
}

// Into another scope, or the same built anew: the member hears what differs.
void Catalog::move(Entry& entry, std::shared_ptr<Scope> scope) {
  static const Sets kNothing;
  const auto before = entry.scope == nullptr ? nullptr : entry.scope->built;
  const auto left = std::exchange(entry.scope, std::move(scope));
  if (left != nullptr && left != entry.scope) {
    left->members.erase(entry.member);
    if (left->members.empty())
      for (const auto& unit : left->built->units) unit->scopes.erase(left.get());
  }
  entry.scope->members.insert(entry.member);
  for (size_t type = 0; type < kTypes; ++type)
    tell(difference(before == nullptr ? kNothing[type] : before->sets[type],
                    entry.scope->built->sets[type]),
         Type(type), *entry.member);
}

void Catalog::touch(Entry& entry, bool own) {
  entry.round = round_;
  auto scope = scope_of(entry);
  if (scope->built == nullptr) {
    compile(*scope);
    move(entry, std::move(scope));
  } else if (scope->round != round_) {
    // Others of this scope are told of the same difference, once.
    const auto before = scope->built;
    compile(*scope);
    for (size_t type = 0; type < kTypes; ++type) {
      const auto difference = Catalog::difference(before->sets[type], scope->built->sets[type]);
      for (Member* other : scope->members) tell(difference, Type(type), *other);
    }
    if (entry.scope != scope) move(entry, std::move(scope));
  } else if (entry.scope != scope) {
    move(entry, std::move(scope));
  }
  if (!own) return;
  Sets now = own_of(entry.node);
  for (size_t type = 0; type < kTypes; ++type)
    tell(difference(entry.own[type], now[type]), Type(type), *entry.member);
  entry.own = std::move(now);
}

bool Catalog::reaches(const Entry& entry, const Extent& extent) const {
  if (extent.all || extent.workloads.contains({entry.node.ns, entry.node.workload})) return true;
  if (extent.hosts.empty()) return false;
  const Demand& demand = entry.demand;
  if (demand.hosts == nullptr || demand.gateways || demand.unresolved) return true;
  if (extent.ports && demand.by_port) return true;
  return std::any_of(extent.hosts.begin(), extent.hosts.end(),
                     [&](const auto& host) { return demand.may_heed(host); });
}

bool Catalog::reaches_own(const Entry& entry, const Extent& extent) const {
  if (extent.all || extent.workloads.contains({entry.node.ns, entry.node.workload})) return true;
  const Workload* const workload = model_->workload_of(entry.node);
  if (workload == nullptr || extent.hosts.empty()) return false;
  const auto services = model_->services_of(*workload);
  return std::any_of(services.begin(), services.end(),
                     [&](const auto* service) { return extent.hosts.contains(service->host); });
}

void Catalog::set_model(std::shared_ptr<const Model> model, const Extent& extent) {
  const bool first = model_ == nullptr;
  model_ = std::move(model);
  ++round_;
  for (auto it = views_.begin(); it != views_.end();) {
    const auto view = it->second.lock();
    if (view == nullptr) {
      it = views_.erase(it);
      continue;
    }
    drop(*view, extent);
    ++it;
  }
  for (auto& [key, entry] : entries_) {
    if (!first && !reaches(entry, extent) && !reaches_own(entry, extent)) continue;
    touch(entry, first || reaches_own(entry, extent));
  }
  drop_expired(scopes_);
  drop_expired(listenings_);
  drop_expired(shared_);
}

// What may be different of what the view has.
void Catalog::drop(View& view, const Extent& extent) {
  std::erase_if(view.units, [&](const auto& item) {
    if (extent.all || extent.hosts.contains(item.first.first)) return true;
    const auto unit = item.second.lock();
    if (unit == nullptr) return true;
    for (auto& [sidecar, parts] : unit->routes)
      std::erase_if(parts, [&](const auto& part) { return part.second.depends_on(extent.hosts); });
    return false;
  });
}

// In place: the scopes that have the unit, and their members.
void Catalog::replace(Unit& unit, Type type, Resources& held, Resources now) {
  const auto difference = Catalog::difference(held, now);
  held = std::move(now);
  if (difference.changed.empty() && difference.removed.empty()) return;
  for (Scope* scope : unit.scopes) {
    auto& all = scope->built->sets[size_t(type)];
    for (const auto& resource : difference.changed) {
      const auto at = all.begin() + (lower_bound(all, resource->name) - all.cbegin());
      if (at != all.end() && (*at)->name == resource->name)
        *at = resource;
      else
        all.insert(at, resource);
    }
    for (const auto& name : difference.removed)
      if (const auto at = lower_bound(all, name); at != all.end() && (*at)->name == name)
        all.erase(at);
    for (Member* member : scope->members) tell(difference, type, *member);
  }
}

void Catalog::on_instances(const std::vector<const Service*>& services) {
  for (auto& [ns, weak] : views_) {
    const auto view = weak.lock();
    if (view == nullptr) continue;
    for (const auto* service : services) {
      const auto found = view->units.find({service->host, service->ns});
      if (found == view->units.end()) continue;
      const auto unit = found->second.lock();
      if (unit == nullptr) continue;
      ++stats_.units;
      replace(*unit, Type::Cluster, unit->clusters,
              shared(compile_service_clusters(*model_, *service, view->node)));
      replace(*unit, Type::Endpoints, unit->endpoints,
              shared(compile_endpoints(*model_, *service, view->node)));
    }
  }
  if (++instance_changes_ % 64 == 0) drop_expired(shared_);
}

void Catalog::on_workload(const std::pair<std::string, std::string>& key) {
  const auto found = by_workload_.find(key);
  if (found == by_workload_.end() || model_ == nullptr) return;
  for (Member* member : found->second) touch(entries_.at(member), true);
}

void Catalog::set(Member& member, Node node, std::optional<Hosts> asked) {
  Entry& entry = entries_[&member];
  entry.member = &member;
  const std::pair key{node.ns, node.workload};
  if (const std::pair before{entry.node.ns, entry.node.workload}; before != key)
    by_workload_[before].erase(&member);
  if (!node.workload.empty()) by_workload_[key].insert(&member);
  node.hosts = nullptr;
  entry.node = std::move(node);
  entry.asked = std::move(asked);
  if (model_ != nullptr) touch(entry, true);
}

void Catalog::set_asked(Member& member, std::optional<Hosts> asked) {
  Entry& entry = entries_.at(&member);
  if (entry.asked == asked) return;
  entry.asked = std::move(asked);
  if (model_ != nullptr) touch(entry, false);
}

std::optional<Hosts> Catalog::find(const Member& member, std::string_view asked) const {
  const auto entry = entries_.find(&member);
  if (model_ == nullptr || entry == entries_.end()) return std::nullopt;
  return brought_by(*model_, entry->second.node, asked);
}

void Catalog::leave(Member& member) {
  const auto found = entries_.find(&member);
  if (found == entries_.end()) return;
  const auto& entry = found->second;
  if (const auto by = by_workload_.find({entry.node.ns, entry.node.workload});
      by != by_workload_.end()) {
    by->second.erase(&member);
    if (by->second.empty()) by_workload_.erase(by);
  }
  if (const auto scope = entry.scope) {
    scope->members.erase(&member);
    if (scope->members.empty() && scope->built != nullptr)
      for (const auto& unit : scope->built->units) unit->scopes.erase(scope.get());
  }
  entries_.erase(found);
  drop_expired(scopes_);
  drop_expired(listenings_);
}

void Catalog::each(const Member& member, Type type,
                   const std::function<void(const Resource&)>& visit) const {
  const auto found = entries_.find(&member);
  if (found == entries_.end()) return;
  if (found->second.scope != nullptr)
    for (const auto& one : found->second.scope->built->sets[size_t(type)]) visit(*one);
  for (const auto& one : found->second.own[size_t(type)]) visit(*one);
}

bool Catalog::touched(const Member& member) const {
  const auto found = entries_.find(&member);
  return found != entries_.end() && found->second.round == round_;
}

size_t Catalog::size(const Member& member) const {
  size_t count = 0;
  for (size_t type = 0; type < kTypes; ++type)
    each(member, Type(type), [&](const Resource&) { ++count; });
  return count;
}

const Resource* Catalog::find(const Member& member, Type type, std::string_view name) const {
  const auto found = entries_.find(&member);
  if (found == entries_.end() || found->second.scope == nullptr) return nullptr;
  const Sets* const both[] = {&found->second.scope->built->sets, &found->second.own};
  for (const Sets* sets : both) {
    const auto& list = (*sets)[size_t(type)];
    if (const auto at = lower_bound(list, name); at != list.end() && (*at)->name == name)
      return at->get();
  }
  return nullptr;
}

}  // namespace mesh::discovery

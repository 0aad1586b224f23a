#include "xds/dynamic_set.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace mesh::xds {
namespace {

const std::string& name_of(const Cluster& value) { return value.name; }
const std::string& name_of(const Listener& value) { return value.name; }
const std::string& name_of(const ClusterLoadAssignment& value) { return value.cluster_name; }
const std::string& name_of(const route::Table& value) { return value.name(); }
const std::string& name_of(const Secret& value) { return value.name; }

const std::string& eds_name(const Cluster& cluster) {
  return cluster.eds_service_name.empty() ? cluster.name : cluster.eds_service_name;
}

void add_names(const Cluster& cluster, DynamicSet::Names& into) {
  if (cluster.discovery == Cluster::Discovery::Eds) into.insert(eds_name(cluster));
}

void add_names(const Listener& listener, DynamicSet::Names& into) {
  const auto add = [&](const FilterChain& chain) {
    if (!chain.route_config_name.empty()) into.insert(chain.route_config_name);
  };
  for (const auto& chain : listener.filter_chains) add(chain);
  if (listener.default_filter_chain) add(*listener.default_filter_chain);
}

void add_sources(const std::optional<TlsContext>& tls, DynamicSet::Sources& into) {
  if (!tls) return;
  for (const SecretSource& source : tls->sources) into.try_emplace(source.secret, source);
}

void add_names(const Cluster& cluster, DynamicSet::Sources& into) {
  add_sources(cluster.tls, into);
}

void add_names(const Listener& listener, DynamicSet::Sources& into) {
  for (const auto& chain : listener.filter_chains) add_sources(chain.tls, into);
  if (listener.default_filter_chain) add_sources(listener.default_filter_chain->tls, into);
}

template <class Warming, class Into>
void add_all_names(const Warming& all, Into& into) {
  for (const auto& [name, entry] : all) {
    if (entry.newest) add_names(*entry.newest->value, into);
    if (entry.used && entry.used != entry.newest) add_names(*entry.used->value, into);
  }
}

}  // namespace

DynamicSet::DynamicSet(Checks checks, Times times) : checks_(std::move(checks)), times_(times) {}

template <class Value>
void DynamicSet::take_back(Warming<Value>& from, std::string_view name) {
  const auto found = from.find(name);
  if (found == from.end() || !found->second.newest) return;
  bytes_ -= found->second.newest->body.size();
  found->second.newest.reset();
}

Config DynamicSet::set_static(Config config) {
  Config before = std::exchange(static_, std::move(config));
  const auto drop = [&](auto& all, const std::string& name) {
    take_back(all, name);
    if (const auto found = all.find(name); found != all.end()) all.erase(found);
  };
  for (const auto& [name, cluster] : static_.clusters) drop(clusters_, name);
  for (const auto& listener : static_.listeners) drop(listeners_, listener->name);
  counts_[size_t(Type::Cluster)].added_static = static_.clusters.size();
  counts_[size_t(Type::Listener)].added_static = static_.listeners.size();
  changed_ = true;
  config_.reset();
  return before;
}

Result<void> DynamicSet::room(size_t held, size_t bytes) const {
  if (held >= kHeldMax)
    return Error{Errc::TooBig, "over " + std::to_string(kHeldMax) + " resources of a type"};
  if (bytes_ + bytes > kBytesMax) return Error{Errc::TooBig, "over 256 MiB of resources"};
  return {};
}

template <class Value, class Decode>
Result<void> DynamicSet::warm(Warming<Value>& into, std::string_view name, std::string_view version,
                              std::string_view body, Decode decode) {
  const auto found = into.find(name);
  Held<Value>* const held = found == into.end() ? nullptr : found->second.newest.get();
  if (held != nullptr && held->body == body) {
    held->version = version;
    return {};
  }
  MESH_TRY_VOID(room(found == into.end() ? into.size() : 0, body.size()));
  MESH_TRY(auto value, decode(body));
  if (name_of(*value) != name)
    return Error{Errc::Invalid, "the resource calls itself " + text::quoted(name_of(*value))};
  MESH_TRY_VOID(check_secrets(*value, static_, true));
  if constexpr (std::is_same_v<Value, Cluster>) {
    if (checks_.cluster) MESH_TRY_VOID(checks_.cluster(*value, *config()));
  } else {
    if (checks_.listener) MESH_TRY_VOID(checks_.listener(value, *config()));
  }
  bytes_ += body.size() - (held == nullptr ? 0 : held->body.size());
  into[std::string(name)].newest = std::make_shared<Held<Value>>(
      Held<Value>{std::move(value), std::string(version), std::string(body)});
  return {};
}

template <class Value, class Decode>
Result<void> DynamicSet::keep(Plain<Value>& into, Type type, std::string_view name,
                              std::string_view called, std::string_view version,
                              std::string_view body, Decode decode) {
  waits(type).gone.erase(std::string(name));
  const auto found = into.find(name);
  if (found != into.end() && found->second.body == body) {
    found->second.version = version;
    return {};
  }
  MESH_TRY_VOID(room(found == into.end() ? into.size() : 0, body.size()));
  MESH_TRY(auto value, decode(body));
  if (name_of(*value) != called)
    return Error{Errc::Invalid, "the resource calls itself " + text::quoted(name_of(*value))};
  if constexpr (std::is_same_v<Value, ClusterLoadAssignment>)
    if (checks_.endpoints) MESH_TRY_VOID(checks_.endpoints(*value));
  if constexpr (std::is_same_v<Value, Secret>)
    if (checks_.secret) MESH_TRY_VOID(checks_.secret(value));
  bytes_ += body.size() - (found == into.end() ? 0 : found->second.body.size());
  into[std::string(name)] = {std::move(value), std::string(version), std::string(body)};
  changed_ = true;
  config_.reset();
  return {};
}

Result<void> DynamicSet::set(Type type, std::string_view name, std::string_view version,
                             std::string_view body) {
  switch (type) {
    case Type::Cluster:
      if (static_.clusters.contains(name)) return {};
      return warm(clusters_, name, version, body,
                  [](std::string_view bytes) { return decode_cluster(bytes); });
    case Type::Listener:
      if (std::any_of(static_.listeners.begin(), static_.listeners.end(),
                      [&](const auto& listener) { return listener->name == name; }))
        return {};
      return warm(listeners_, name, version, body,
                  [](std::string_view bytes) { return decode_listener(bytes); });
    case Type::Endpoint:
      return keep(endpoints_, type, name, name, version, body,
                  [](std::string_view bytes) { return decode_endpoints(bytes); });
    case Type::Route:
      return keep(routes_, type, name, name, version, body,
                  [](std::string_view bytes) { return decode_route_configuration(bytes); });
    case Type::Secret:
      return set_secret({.secret = std::string(name), .name = std::string(name), .server = nullptr},
                        version, body);
  }
  return {};
}

Result<void> DynamicSet::set_secret(const SecretSource& source, std::string_view version,
                                    std::string_view body) {
  return keep(secrets_, Type::Secret, source.secret, source.name, version, body,
              [](std::string_view bytes) { return decode_secret(bytes); });
}

void DynamicSet::remove(Type type, std::string_view name) {
  switch (type) {
    case Type::Cluster: return take_back(clusters_, name);
    case Type::Listener: return take_back(listeners_, name);
    case Type::Endpoint:
    case Type::Route: waits(type).gone.emplace(name); return;
    case Type::Secret: return;  // what there is stays, and what is missing may still come
  }
}

void DynamicSet::keep_only(Type type, const Names& names) {
  const auto each = [&](auto& all) {
    for (const auto& [name, entry] : all)
      if (!names.contains(name)) take_back(all, name);
  };
  if (type == Type::Cluster) each(clusters_);
  if (type == Type::Listener) each(listeners_);
}

DynamicSet::Names DynamicSet::endpoint_names() const {
  Names names;
  for (const auto& [name, cluster] : static_.clusters) add_names(*cluster, names);
  add_all_names(clusters_, names);
  return names;
}

DynamicSet::Names DynamicSet::route_names() const {
  Names names;
  for (const auto& listener : static_.listeners) add_names(*listener, names);
  add_all_names(listeners_, names);
  return names;
}

DynamicSet::Sources DynamicSet::secret_sources() const {
  Sources sources;
  for (const auto& [name, cluster] : static_.clusters) add_names(*cluster, sources);
  for (const auto& listener : static_.listeners) add_names(*listener, sources);
  add_all_names(clusters_, sources);
  add_all_names(listeners_, sources);
  std::erase_if(sources, [&](const auto& item) { return static_.secrets.contains(item.first); });
  return sources;
}

bool DynamicSet::came(Type type, std::string_view name) const {
  if (type == Type::Secret) return secrets_.contains(name) || static_.secrets.contains(name);
  return type == Type::Endpoint ? endpoints_.contains(name) : routes_.contains(name);
}

bool DynamicSet::done(Type type, std::string_view name, bool first) const {
  return came(type, name) || waits(type).gone.contains(name) ||
         (first && waits(type).given_up.contains(name));
}

bool DynamicSet::secrets_ready(const std::optional<TlsContext>& tls, bool first) const {
  return !tls || std::all_of(tls->sources.begin(), tls->sources.end(), [&](const auto& source) {
    return done(Type::Secret, source.secret, first);
  });
}

bool DynamicSet::ready(const Cluster& cluster, bool first) const {
  if (!secrets_ready(cluster.tls, first)) return false;
  return cluster.discovery != Cluster::Discovery::Eds ||
         done(Type::Endpoint, eds_name(cluster), first);
}

bool DynamicSet::ready(const Listener& listener, bool first) const {
  const auto& chains = listener.filter_chains;
  if (!std::all_of(chains.begin(), chains.end(),
                   [&](const FilterChain& chain) { return secrets_ready(chain.tls, first); }))
    return false;
  if (listener.default_filter_chain && !secrets_ready(listener.default_filter_chain->tls, first))
    return false;
  Names names;
  add_names(listener, names);
  return std::all_of(names.begin(), names.end(),
                     [&](const std::string& name) { return done(Type::Route, name, first); });
}

template <class Wanted>
void DynamicSet::forget_waits(Type type, const Wanted& wanted) {
  Wait& wait = waits(type);
  const auto unwanted = [&](const std::string& name) { return !wanted.contains(name); };
  std::erase_if(wait.until, [&](const auto& item) { return unwanted(item.first); });
  std::erase_if(wait.given_up, unwanted);
  std::erase_if(wait.gone, unwanted);
}

void DynamicSet::wait(Type type, std::string_view name, Duration longest, Instant now) {
  Wait& wait = waits(type);
  if (done(type, name, true)) {
    if (const auto at = wait.until.find(name); at != wait.until.end()) wait.until.erase(at);
    return;
  }
  const Instant end = longest == Duration(0) ? Instant::max() : now + longest;
  const auto at = wait.until.emplace(name, end).first;
  if (at->second > now) return;
  wait.given_up.insert(at->first);
  wait.until.erase(at);
}

void DynamicSet::wait(Type type, const Names& wanted, Duration longest, Instant now) {
  forget_waits(type, wanted);
  for (const auto& name : wanted) wait(type, name, longest, now);
}

template <class Value>
void DynamicSet::use(Warming<Value>& all, Type type) {
  Counts& counts = counts_[size_t(type)];
  counts.warming = 0;
  for (auto at = all.begin(); at != all.end();) {
    Warmed<Value>& entry = at->second;
    if (!entry.newest) {
      if (entry.used) {
        ++counts.removed;
        changed_ = true;
        config_.reset();
      }
      at = all.erase(at);
      continue;
    }
    ++at;
    if (entry.newest == entry.used) continue;
    if (!ready(*entry.newest->value, !entry.used)) {
      ++counts.warming;
      continue;
    }
    ++(entry.used ? counts.modified : counts.added);
    entry.used = entry.newest;
    changed_ = true;
    config_.reset();
  }
}

template <class Value, class Wanted>
void DynamicSet::forget(Plain<Value>& all, const Wanted& wanted) {
  std::erase_if(all, [&](const auto& item) {
    if (wanted.contains(item.first)) return false;
    bytes_ -= item.second.body.size();
    config_.reset();
    return true;
  });
}

bool DynamicSet::settle(Instant now) {
  wait(Type::Endpoint, endpoint_names(), times_.endpoints, now);
  wait(Type::Route, route_names(), times_.routes, now);
  const Sources sources = secret_sources();
  forget_waits(Type::Secret, sources);
  for (const auto& [secret, source] : sources) wait(Type::Secret, secret, source.timeout, now);
  use(clusters_, Type::Cluster);
  use(listeners_, Type::Listener);
  forget(endpoints_, endpoint_names());
  forget(routes_, route_names());
  forget(secrets_, secret_sources());
  return std::exchange(changed_, false);
}

std::optional<Instant> DynamicSet::next() const {
  Instant first = Instant::max();
  for (const Wait& wait : waits_)
    for (const auto& [name, until] : wait.until) first = std::min(first, until);
  return first == Instant::max() ? std::nullopt : std::optional(first);
}

bool DynamicSet::warming(Type type) const {
  const auto cold = [](const auto& item) { return item.second.newest && !item.second.used; };
  if (type == Type::Cluster) {
    for (const auto& [name, cluster] : static_.clusters)
      if (!ready(*cluster, true)) return true;
    return std::any_of(clusters_.begin(), clusters_.end(), cold);
  }
  for (const auto& listener : static_.listeners)
    if (!ready(*listener, true)) return true;
  return std::any_of(listeners_.begin(), listeners_.end(), cold);
}

std::shared_ptr<const Config> DynamicSet::config() const {
  if (config_) return config_;
  auto config = std::make_shared<Config>(static_);
  for (const auto& [name, entry] : clusters_)
    if (entry.used) config->clusters[name] = entry.used->value;
  for (const auto& [name, entry] : listeners_)
    if (entry.used) config->listeners.push_back(entry.used->value);
  for (const auto& [name, held] : endpoints_) config->endpoints[name] = held.value;
  for (const auto& [name, held] : routes_) config->routes[name] = held.value;
  for (const auto& [name, held] : secrets_) config->secrets.try_emplace(name, held.value);
  config_ = std::move(config);
  return config_;
}

std::vector<DumpResource> DynamicSet::resources() const {
  std::vector<DumpResource> list;
  const auto add = [&](std::string_view type, const auto& held) {
    // Never empty: that means static.
    list.push_back({type, held.version.empty() ? "-" : std::string_view(held.version), held.body});
  };
  for (const auto& [name, entry] : clusters_)
    if (entry.used) add(kClusterType, *entry.used);
  for (const auto& [name, held] : endpoints_) add(kEndpointType, held);
  for (const auto& [name, entry] : listeners_)
    if (entry.used) add(kListenerType, *entry.used);
  for (const auto& [name, held] : routes_) add(kRouteType, held);
  for (const auto& [name, held] : secrets_) add(kSecretType, held);
  return list;
}

}  // namespace mesh::xds

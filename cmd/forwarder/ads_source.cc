#include "cmd/forwarder/ads_source.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "upstream/cluster_spec.h"

namespace mesh::forwarder {
namespace {

using Type = xds::DynamicSet::Type;

std::vector<ads::Type> types() {
  auto types = ads::mesh_types();
  types.push_back({.url = xds::kSecretType});
  return types;
}

}  // namespace

AdsSource::AdsSource(event::Loop& loop, forward::Forwarder& forwarder,
                     const xds::Bootstrap& bootstrap, Changed changed)
    : loop_(loop),
      forwarder_(forwarder),
      source_(bootstrap.dynamic.value_or(xds::DynamicSource{})),
      node_(bootstrap.node),
      changed_(std::move(changed)),
      set_(checks(), {source_.clusters_timeout, source_.listeners_timeout}),
      settle_timer_(loop, [this] { settle(); }),
      cluster_timer_(loop, [this] { fetch_timeout(Type::Cluster); }),
      listener_timer_(loop, [this] { fetch_timeout(Type::Listener); }) {
  set_.set_static(bootstrap.config);
  if (!bootstrap.dynamic) return;
  client_ = std::make_unique<DiscoveryClient>(
      loop,
      DiscoveryClient::Options{.source = source_,
                               .service = "envoy.service.discovery.v3.AggregatedDiscoveryService",
                               .resources = "AggregatedResources",
                               .types = types(),
                               .node = node_,
                               .cluster = bootstrap.config.clusters.at(source_.cluster)},
      static_cast<DiscoveryClient::Owner&>(*this));
}

AdsSource::~AdsSource() = default;

// A resource is refused for what would not work here, by itself.
xds::DynamicSet::Checks AdsSource::checks() {
  xds::DynamicSet::Checks checks;
  checks.listener = [this](const std::shared_ptr<const xds::Listener>& listener,
                           const xds::Config& config) {
    return forwarder_.prepare(listener, config);
  };
  checks.cluster = [this](const xds::Cluster& cluster, const xds::Config& config) -> Result<void> {
    if (!cluster.tls) return {};
    MESH_TRY_VOID(secrets_.context(tls::Role::Client, *cluster.tls, config.secrets));
    return {};
  };
  checks.endpoints = [](const xds::ClusterLoadAssignment& assignment) -> Result<void> {
    for (const auto& endpoint : assignment.endpoints)
      MESH_TRY_VOID(upstream::to_address(endpoint.address));
    return {};
  };
  // What does not parse, or a key that is another certificate's, never replaces what works.
  checks.secret = [this](const std::shared_ptr<const xds::Secret>& secret) -> Result<void> {
    const bool own = secret->trusted_ca.empty();
    xds::TlsContext config;
    if (own)
      config.certificate_secrets = {secret->name};
    else
      config.validation_secret = secret->name;
    MESH_TRY_VOID(secrets_.context(own ? tls::Role::Server : tls::Role::Client, config,
                                   {{secret->name, secret}}));
    return {};
  };
  return checks;
}

// Asked for at each connection: files that were renewed are read anew.
std::shared_ptr<const tls::Context> AdsSource::context(const xds::TlsContext& config) {
  auto context = secrets_.context(tls::Role::Client, config, set_.config()->secrets);
  if (context) return *std::move(context);
  log::warning("no TLS to the control plane", {{"error", context.error().text}});
  return nullptr;
}

xds::Config AdsSource::set_static(xds::Config config) {
  const auto cluster = [&](const std::string& name) {
    const auto found = config.clusters.find(name);
    return found == config.clusters.end() ? nullptr : found->second;
  };
  if (auto mine = cluster(source_.cluster); client_ && mine) client_->set_cluster(std::move(mine));
  for (const auto& each : secret_clients_)
    if (auto its = cluster(each->server().cluster)) each->set_cluster(std::move(its));
  xds::Config before = set_.set_static(std::move(config));
  settle_timer_.arm(Duration::zero());
  return before;
}

void AdsSource::start() {
  if (source_.clusters) {
    client_->wanted().want_all(size_t(Type::Cluster));
    ++updates(Type::Cluster).attempt;
    if (source_.clusters_timeout > Duration::zero()) cluster_timer_.arm(source_.clusters_timeout);
  }
  settle();
}

void AdsSource::on_in_force() {
  const auto* const snapshot = forwarder_.snapshot();
  if (snapshot == nullptr) return;
  if (client_) client_->use_endpoints(*snapshot);
  for (const auto& each : secret_clients_) each->use_endpoints(*snapshot);
}

void AdsSource::on_lost() {
  for (const Type type : {Type::Cluster, Type::Listener}) {
    if (!client_->wanted().subscribed(size_t(type))) continue;
    ++updates(type).failure;
    ++updates(type).attempt;
  }
  for (auto& [secret, updates] : secrets_updates_) {
    if (updates.server) continue;
    ++updates.failure;
    ++updates.attempt;
  }
}

// Endpoints, routes and secrets that clusters and listeners name.
void AdsSource::want_named() {
  const auto sources = set_.secret_sources();
  want_secrets(sources);
  if (!client_) return;
  auto& wanted = client_->wanted();
  wanted.want(size_t(Type::Endpoint), set_.endpoint_names());
  if (stage_ != Stage::Clusters) wanted.want(size_t(Type::Route), set_.route_names());
  ads::AdsClient::Names secrets;
  for (const auto& [secret, source] : sources)
    if (!source.server) secrets.insert(secret);
  wanted.want(size_t(Type::Secret), std::move(secrets));
  client_->flush();
}

// Of servers of their own.
void AdsSource::want_secrets(const xds::DynamicSet::Sources& sources) {
  std::erase_if(secrets_updates_, [&](const auto& item) { return !sources.contains(item.first); });
  std::map<SecretClient*, SecretClient::Sources> wanted;
  for (const auto& [secret, source] : sources) {
    const auto [updates, fresh] = secrets_updates_.try_emplace(secret);
    if (fresh) {
      updates->second.name = source.name;
      updates->second.server = source.server != nullptr;
      ++updates->second.attempt;
    }
    if (!source.server) continue;
    if (auto* const client = secret_client(*source.server)) wanted[client][source.name] = source;
  }
  std::erase_if(secret_clients_, [&](const auto& each) { return !wanted.contains(each.get()); });
  for (auto& [client, names] : wanted) client->want(std::move(names));
}

// Null: its cluster went with the file that was read again.
SecretClient* AdsSource::secret_client(const xds::DynamicSource& server) {
  for (const auto& each : secret_clients_)
    if (each->server() == server) return each.get();
  const auto config = set_.config();
  const auto cluster = config->clusters.find(server.cluster);
  if (cluster == config->clusters.end()) return nullptr;
  SecretClient::Hooks hooks;
  hooks.set = [this](const auto& source, auto version, auto body) {
    return set_secret(source, version, body);
  };
  hooks.lost = [this](const xds::SecretSource& source) {
    Updates& updates = secrets_updates_[source.secret];
    ++updates.failure;
    ++updates.attempt;
  };
  hooks.changed = [this] { settle_timer_.arm(Duration::zero()); };
  hooks.context = [this](const xds::TlsContext& tls) { return context(tls); };
  secret_clients_.push_back(
      std::make_unique<SecretClient>(loop_, server, node_, cluster->second, std::move(hooks)));
  if (const auto* const snapshot = forwarder_.snapshot())
    secret_clients_.back()->use_endpoints(*snapshot);
  return secret_clients_.back().get();
}

Result<void> AdsSource::set_secret(const xds::SecretSource& source, std::string_view version,
                                   std::string_view body) {
  auto set = set_.set_secret(source, version, body);
  SecretUpdates& updates = secrets_updates_[source.secret];
  updates.last = loop_.wall();
  ++updates.attempt;
  ++(set ? updates.success : updates.rejected);
  if (set) updates.version = version;
  return set;
}

void AdsSource::on_received(size_t type, const ads::AdsClient::Received& received,
                            std::vector<ads::AdsClient::Refusal>& refused) {
  if (received.whole) {
    xds::DynamicSet::Names names;
    for (const auto& item : received.items) names.insert(item.name);
    set_.keep_only(Type(type), names);
  }
  for (const auto& item : received.items) {
    if (item.confirmed) continue;
    auto set = Type(type) == Type::Secret
                   ? set_secret({.secret = item.name, .name = item.name, .server = nullptr},
                                item.version, item.body)
                   : set_.set(Type(type), item.name, item.version, item.body);
    if (set) continue;
    log::warning("resource refused", {{"name", item.name}, {"error", set.error().text}});
    refused.push_back({item.name, std::move(set).error().text});
  }
  for (const auto name : received.removed) set_.remove(Type(type), name);
}

void AdsSource::on_outcome(const ads::AdsClient::Outcome& outcome) {
  Updates& updates = updates_[*outcome.type];
  updates.answered = true;
  ++updates.attempt;
  ++(outcome.accepted ? updates.success : updates.rejected);
  updates.last = loop_.wall();
  on_lapsed();
}

void AdsSource::on_lapsed() {
  want_named();
  settle_timer_.arm(Duration::zero());
}

void AdsSource::fetch_timeout(Type type) {
  if (std::exchange(updates(type).answered, true)) return;
  ++updates(type).init_fetch_timeout;
  ++updates(type).attempt;
  log::warning("the control plane does not answer; going on without",
               {{"type", type == Type::Cluster ? "clusters" : "listeners"}});
  settle();
}

void AdsSource::settle() {
  settle_timer_.cancel();
  bool changed = set_.settle(loop_.now());
  const Stage before = stage_;
  advance();
  changed |= before != stage_;
  // What is settled may name less.
  want_named();
  if (const auto next = set_.next())
    settle_timer_.arm(std::max<Duration>(Duration::zero(), *next - loop_.now()));
  if (changed && stage_ == Stage::Whole) changed_(set_.config());
}

void AdsSource::advance() {
  const auto waits = [&](Type type, bool asked) {
    return (asked && !updates(type).answered) || set_.warming(type);
  };
  if (stage_ == Stage::Clusters && !waits(Type::Cluster, source_.clusters)) {
    stage_ = Stage::Listeners;
    cluster_timer_.cancel();
    if (source_.listeners) {
      client_->wanted().want_all(size_t(Type::Listener));
      ++updates(Type::Listener).attempt;
      if (source_.listeners_timeout > Duration::zero())
        listener_timer_.arm(source_.listeners_timeout);
    }
  }
  if (stage_ == Stage::Listeners && !waits(Type::Listener, source_.listeners)) {
    stage_ = Stage::Whole;
    listener_timer_.cancel();
  }
}

std::vector<forward::admin::Number> AdsSource::numbers() const {
  std::vector<forward::admin::Number> out;
  const auto gauge = [&](std::string name, uint64_t value) {
    out.push_back({.name = std::move(name), .value = value, .gauge = true});
  };
  const auto counter = [&](std::string name, uint64_t value) {
    out.push_back({.name = std::move(name), .value = value});
  };
  if (client_) {
    gauge("control_plane.connected_state", client_->connected() ? 1 : 0);
    out.push_back({.name = "control_plane.identifier", .text = client_->control_plane()});
  }
  const auto add_updates = [&](const std::string& at, const Updates& updates,
                               const std::string& version) {
    counter(at + "init_fetch_timeout", updates.init_fetch_timeout);
    counter(at + "update_attempt", updates.attempt);
    counter(at + "update_failure", updates.failure);
    counter(at + "update_rejected", updates.rejected);
    counter(at + "update_success", updates.success);
    gauge(at + "update_time", uint64_t(std::chrono::duration_cast<std::chrono::milliseconds>(
                                           updates.last.time_since_epoch())
                                           .count()));
    out.push_back({.name = at + "version_text", .text = version});
  };
  const auto add = [&](const std::string& manager, const std::string& what, Type type) {
    add_updates(manager + "." + what + ".", updates_[size_t(type)],
                client_->wanted().version(size_t(type)));
  };
  if (source_.clusters) add("cluster_manager", "cds", Type::Cluster);
  if (source_.listeners) add("listener_manager", "lds", Type::Listener);
  for (const auto& [secret, updates] : secrets_updates_)
    add_updates("sds." + updates.name + ".", updates, updates.version);
  const auto& clusters = set_.counts(Type::Cluster);
  counter("cluster_manager.cluster_added", clusters.added_static + clusters.added);
  counter("cluster_manager.cluster_modified", clusters.modified);
  counter("cluster_manager.cluster_removed", clusters.removed);
  gauge("cluster_manager.warming_clusters", clusters.warming + forwarder_.warming_clusters());
  const auto& listeners = set_.counts(Type::Listener);
  counter("listener_manager.listener_added", listeners.added_static + listeners.added);
  counter("listener_manager.listener_modified", listeners.modified);
  counter("listener_manager.listener_removed", listeners.removed);
  gauge("listener_manager.total_listeners_warming", listeners.warming);
  return out;
}

}  // namespace mesh::forwarder

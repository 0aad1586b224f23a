#include "forward/snapshot.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "forward/asked_claims.h"
#include "forward/filter/rbac.h"
#include "forward/held_routes.h"
#include "forward/local_cluster.h"
#include "route/on_demand.h"

namespace mesh::forward {
namespace {

// The virtual host of requests to hosts that nobody has, where connections are captured: by the
// names that Istio gives it.
const route::Route* unknown_of(const route::Table* table) {
  if (table == nullptr) return nullptr;
  for (const auto& host : table->hosts())
    if ((host.name == "allow_any" || host.name == "block_all") && host.routes.size() == 1)
      return host.routes.data();
  return nullptr;
}

// By the names of its secrets, as a watch's resources have them (xds/decode_tls.h).
bool names_files(const xds::TlsContext& config) {
  const auto names = [](const std::string& secret) { return secret.starts_with("file-"); };
  return std::any_of(config.certificate_secrets.begin(), config.certificate_secrets.end(), names) ||
         names(config.validation_secret);
}

// Totals are shown by direction, so its listeners must agree.
Result<void> choose_metrics(const xds::Config& config, Snapshot& snapshot) {
  const xds::Listener* first[2] = {nullptr, nullptr};
  for (const auto& listener : config.listeners) {
    const size_t inbound = listener->direction == xds::TrafficDirection::Inbound ? 1 : 0;
    if (first[inbound] == nullptr) {
      first[inbound] = listener.get();
      snapshot.metrics[inbound] = listener->metrics;
      continue;
    }
    const auto& chosen = snapshot.metrics[inbound];
    const auto& here = listener->metrics;
    if (chosen == here || (chosen && here && *chosen == *here)) continue;
    return Error{Errc::Invalid,
                 "listener " + listener->name + ": its metadata says other metrics " +
                     "than that of listener " + first[inbound]->name + ", of the same direction"};
  }
  return {};
}

bool resolves_names(const xds::Cluster& config) {
  return config.discovery == xds::Cluster::Discovery::StrictDns ||
         config.discovery == xds::Cluster::Discovery::LogicalDns;
}

}  // namespace

const ChainSpec* ListenerSpec::chain(const ConnectionFacts& facts) const {
  const size_t found = match.find(facts);
  if (found != ChainMatch::kNone) return &chains[found];
  return config->default_filter_chain ? &chains.back() : nullptr;
}

const ListenerSpec* Snapshot::listener(std::string_view name) const {
  for (const ListenerSpec& l : listeners)
    if (l.config->name == name) return &l;
  return nullptr;
}

const ListenerSpec* Snapshot::listener_at(const net::Address& address) const {
  const std::string port = std::to_string(address.port());
  for (const std::string& text :
       {address.to_string(), (address.family() == AF_INET6 ? "[::]:" : "0.0.0.0:") + port,
        "[::]:" + port}) {
    const auto found = by_address.find(text);
    if (found == by_address.end()) continue;
    const ListenerSpec& listener = listeners[found->second];
    const bool v6 = listener.address.family() == AF_INET6;
    if (!v6 || address.family() == AF_INET6 || listener.config->ipv4_compat) return &listener;
  }
  return nullptr;
}

SnapshotBuilder::SnapshotBuilder() = default;
SnapshotBuilder::~SnapshotBuilder() = default;

Result<std::unique_ptr<const Snapshot>> SnapshotBuilder::build(const xds::Config& config,
                                                               Secrets& secrets,
                                                               const Snapshot* previous) {
  auto snapshot = std::make_unique<Snapshot>();
  auto built = fill(*snapshot, config, secrets, previous);
  held_.reset();
  if (!built) return std::move(built).error();
  prepared_.clear();
  return std::unique_ptr<const Snapshot>(std::move(snapshot));
}

Result<void> SnapshotBuilder::fill(Snapshot& snapshot, const xds::Config& config, Secrets& secrets,
                                   const Snapshot* previous) {
  snapshot.generation = config.generation;
  if (secrets.svid() != nullptr) snapshot.principal = secrets.svid()->id().uri();
  bool any_cold = false;
  for (const auto& [name, value] : config.clusters) {
    MESH_TRY_VOID(add_cluster(value, config, secrets, previous, snapshot));
    any_cold |= snapshot.clusters[name]->cold;
  }
  if (any_cold && previous != nullptr) held_ = std::make_unique<HeldRoutes>(*previous, snapshot);
  left_out_.clear();
  MESH_TRY_VOID(choose_metrics(config, snapshot));
  for (const auto& value : config.listeners) {
    auto built = listener(value, config, secrets);
    if (!built && tolerate_taken_ && built.error().kind == Errc::Unavailable) {
      left_out_[value->name] = built.error().text;
      continue;
    }
    if (!built) return std::move(built).error().during("listener " + value->name);
    const std::string address = built->address.to_string();
    const bool fresh = snapshot.by_address.emplace(address, snapshot.listeners.size()).second;
    if (!fresh && !value->bind_to_port)
      return Error{Errc::Invalid,
                   "listener " + value->name + ": another has the address " + address};
    snapshot.listeners.push_back(*std::move(built));
  }
  snapshot.holds_routes = held_ != nullptr && held_->any();
  return {};
}

Result<void> SnapshotBuilder::prepare(const std::shared_ptr<const xds::Listener>& config,
                                      const xds::Config& all, Secrets& secrets) {
  MESH_TRY(auto built, listener(config, all, secrets));
  if (built.socket) prepared_.push_back(std::move(built.socket));
  return {};
}

// Null where none is known.
SnapshotBuilder::Assignment SnapshotBuilder::assignment(const xds::Cluster& config,
                                                        const xds::Config& all) const {
  if (resolves_names(config)) return resolved_ ? resolved_(config.name) : nullptr;
  if (config.discovery != xds::Cluster::Discovery::Eds || config.load_assignment)
    return config.load_assignment;
  const auto found =
      all.endpoints.find(config.eds_service_name.empty() ? config.name : config.eds_service_name);
  return found == all.endpoints.end() ? nullptr : found->second;
}

Result<void> SnapshotBuilder::add_cluster(const std::shared_ptr<const xds::Cluster>& config,
                                          const xds::Config& all, Secrets& secrets,
                                          const Snapshot* previous, Snapshot& to) {
  ClusterPtr now;
  if (previous != nullptr)
    if (const auto found = previous->clusters.find(config->name); found != previous->clusters.end())
      now = found->second;
  MESH_TRY(auto next, cluster(config, assignment(*config, all), all, secrets, now));
  ClusterPtr& used = to.clusters[config->name];
  if (!ready_ || ready_(*next, now.get())) {
    used = std::move(next);
    return {};
  }
  if (now == nullptr || now->cold) {
    auto cold = std::make_shared<upstream::ClusterSpec>(*next);
    cold->cold = true;
    used = std::move(cold);
    return {};
  }
  // As it was, with the endpoints of now: names are asked for as the new one has them.
  auto endpoints = resolves_names(*now->config) ? now->assignment : assignment(*now->config, all);
  if (endpoints == nullptr) endpoints = now->assignment;
  auto kept = cluster(now->config, std::move(endpoints), all, secrets, now);
  used = kept ? *std::move(kept) : now;
  to.coming[config->name] = std::move(next);
  return {};
}

Result<SnapshotBuilder::ClusterPtr> SnapshotBuilder::cluster(
    const std::shared_ptr<const xds::Cluster>& config, Assignment assignment,
    const xds::Config& all, Secrets& secrets, const ClusterPtr& now) {
  auto local = local_cluster_of(*config, all);
  const auto known = now != nullptr && now->config == config ? now : nullptr;
  std::shared_ptr<const tls::Context> tls;
  if (config->tls) {
    auto made = secrets.context(tls::Role::Client, *config->tls, all.secrets);
    if (!made && !names_files(*config->tls))
      return std::move(made).error().during("cluster " + config->name);
    // A file that is missing on this host is a fault of this cluster alone. Told once.
    if (made)
      tls = *std::move(made);
    else if (!known || known->tls)
      log::error("a cluster's TLS cannot be set up: connections to it fail",
                 {{"cluster", config->name}, {"error", made.error().text}});
  }
  if (known && !known->cold && known->assignment == assignment && known->tls == tls &&
      same_callers(known->local, local))
    return known;
  return shared_.spec(config, std::move(assignment), std::move(tls), std::move(local));
}

Result<ListenerSpec> SnapshotBuilder::listener(std::shared_ptr<const xds::Listener> config,
                                               const xds::Config& all, Secrets& secrets) {
  ListenerSpec spec;
  for (const xds::FilterChain& c : config->filter_chains) {
    MESH_TRY(auto built, chain(c, config->name, all, secrets));
    spec.chains.push_back(std::move(built));
    spec.inspect |= !c.match.transport_protocol.empty() || !c.match.server_names.empty() ||
                    !c.match.application_protocols.empty();
  }
  if (config->default_filter_chain) {
    MESH_TRY(auto built, chain(*config->default_filter_chain, config->name, all, secrets));
    spec.chains.push_back(std::move(built));
  }
  MESH_TRY(spec.match, ChainMatch::make(config->filter_chains));
  if (config->proxy_protocol) {
    spec.proxy_counts = admissions_.proxy_counts();
    for (const xds::CidrRange& range : config->proxy_protocol->peers) {
      MESH_TRY(auto cidr, net::Cidr::make(range.address, range.bits));
      spec.proxy_peers.push_back(cidr);
    }
  }
  spec.sniff = spec.inspect || config->proxy_protocol;
  std::erase_if(learned_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = learned_[config->name];
  spec.learned = known.lock();
  if (!spec.learned) known = spec.learned = std::make_shared<Learned>();
  MESH_TRY(spec.address, upstream::to_address(config->address));
  if (config->bind_to_port) {
    MESH_TRY(spec.socket, sockets_.bind(config->name, spec.address,
                                        {.mode = config->mode,
                                         .freebind = config->freebind,
                                         .transparent = config->transparent,
                                         .ipv4_compat = config->ipv4_compat}));
  }
  spec.config = std::move(config);
  return spec;
}

Result<ChainSpec> SnapshotBuilder::chain(const xds::FilterChain& config,
                                         const std::string& listener, const xds::Config& all,
                                         Secrets& secrets) {
  ChainSpec spec;
  spec.config = &config;
  if (config.tls) {
    MESH_TRY(spec.tls, secrets.context(tls::Role::Server, *config.tls, all.secrets));
  }
  spec.routes = config.route_config;
  if (!spec.routes)
    if (const auto found = all.routes.find(config.route_config_name); found != all.routes.end())
      spec.routes = found->second;
  if (held_ && spec.routes) spec.routes = held_->use(listener, config.name, spec.routes);
  spec.unknown = unknown_of(spec.routes.get());
  spec.on_demand = std::any_of(
      config.http_filters.begin(), config.http_filters.end(), [](const xds::HttpFilter& filter) {
        return !filter.disabled && filter.config->type == route::OnDemand::kType;
      });
  MESH_TRY(spec.filters,
           filter::Pipeline::build(config.http_filters, spec.routes.get(), listener, filters_));
  spec.asked_claims = asked_claims(config.http_filters, spec.routes.get());
  spec.admission = admissions_.of(config, listener + "/" + config.name);
  for (const auto& rbac : config.network_rbac)
    spec.guards.push_back({rbac, filters_.rbac(listener + "/" + rbac->stat_prefix, *rbac)});
  for (const auto& [authorizer, behind] : config.authorizers)
    spec.authorizers.push_back(
        {{authorizer, filters_.ext_authz(listener + "/" + authorizer->stat_prefix)}, behind});
  for (const xds::AccessLog& log : config.access_logs) {
    MESH_TRY(auto sink, sinks_.open(log));
    spec.logs.push_back(std::move(sink));
  }
  return spec;
}

}  // namespace mesh::forward

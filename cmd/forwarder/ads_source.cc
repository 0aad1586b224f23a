#include "cmd/forwarder/ads_source.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "cli/version.h"
#include "upstream/cluster_spec.h"

namespace mesh::forwarder {
namespace {

using Type = xds::DynamicSet::Type;

grpc::Channel::Options channel_options(const xds::DynamicSource& source,
                                       const xds::Cluster& cluster) {
  grpc::Channel::Options options;
  options.authority = source.authority;
  options.connect_timeout = cluster.connect_timeout;
  options.keepalive = AdsSource::kKeepalive;
  options.message_bytes_max = source.message_bytes_max;
  // Ours are the pauses.
  options.pause_min = options.pause_max = std::chrono::milliseconds(50);
  if (cluster.tls) options.sni = cluster.tls->sni;
  return options;
}

envoy::config::core::v3::Node node_of(const xds::DynamicSource& source) {
  envoy::config::core::v3::Node node;
  static_cast<void>(node.ParseFromString(source.node));  // our own bytes
  node.set_user_agent_name("mesh-forwarder");
  node.set_user_agent_version(std::string(cli::kVersion));
  return node;
}

ads::AdsClient::Variant variant_of(const xds::DynamicSource& source) {
  return source.incremental ? ads::AdsClient::Variant::Incremental
                            : ads::AdsClient::Variant::StateOfTheWorld;
}

}  // namespace

AdsSource::AdsSource(event::Loop& loop, forward::Forwarder& forwarder,
                     const xds::Bootstrap& bootstrap, Changed changed)
    : loop_(loop),
      forwarder_(forwarder),
      source_(*bootstrap.dynamic),
      changed_(std::move(changed)),
      cluster_(bootstrap.config.clusters.at(source_.cluster)),
      secrets_of_file_(bootstrap.config.secrets),
      set_(checks(), {source_.clusters_timeout, source_.listeners_timeout}),
      client_(variant_of(source_), ads::mesh_types(), node_of(source_),
              !source_.node_on_first_message_only, *this),
      retry_timer_(loop, [this] { begin(); }),
      settle_timer_(loop, [this] { settle(); }),
      cluster_timer_(loop, [this] { fetch_timeout(Type::Cluster); }),
      listener_timer_(loop, [this] { fetch_timeout(Type::Listener); }),
      resume_timer_(loop,
                    [this] {
                      if (call_) call_->resume();
                    }),
      channel_(loop, [this] {
        auto options = channel_options(source_, *cluster_);
        if (cluster_->tls) options.tls = [this] { return context(); };
        return options;
      }()) {
  set_.set_static(bootstrap.config);
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
  return checks;
}

// Asked for at each connection: files that were renewed are read anew.
std::shared_ptr<const tls::Context> AdsSource::context() {
  xds::TlsContext config = *cluster_->tls;
  config.alpn = {"h2"};
  auto context = secrets_.context(tls::Role::Client, config, secrets_of_file_);
  if (context) return *std::move(context);
  log::warning("no TLS to the control plane", {{"error", context.error().text}});
  return nullptr;
}

xds::Config AdsSource::set_static(xds::Config config) {
  secrets_of_file_ = config.secrets;
  if (const auto found = config.clusters.find(source_.cluster); found != config.clusters.end())
    cluster_ = found->second;
  xds::Config before = set_.set_static(std::move(config));
  settle_timer_.arm(Duration::zero());
  return before;
}

void AdsSource::start() {
  if (source_.clusters) {
    client_.want_all(size_t(Type::Cluster));
    ++updates(Type::Cluster).attempt;
    if (source_.clusters_timeout > Duration::zero()) cluster_timer_.arm(source_.clusters_timeout);
  }
  settle();
  begin();
}

// The server's addresses are those of its cluster, resolved where they are names.
void AdsSource::on_in_force() {
  const auto* const snapshot = forwarder_.snapshot();
  if (snapshot == nullptr) return;
  const auto found = snapshot->clusters.find(source_.cluster);
  if (found == snapshot->clusters.end()) return;
  std::vector<net::Address> addresses;
  for (const auto& endpoint : found->second->endpoints) addresses.push_back(endpoint.address);
  if (addresses == addresses_ || addresses.empty()) return;
  addresses_ = std::move(addresses);
  channel_.set_addresses(addresses_);
  if (!call_) retry_timer_.arm(Duration::zero());
}

void AdsSource::begin() {
  retry_timer_.cancel();
  if (addresses_.empty()) return;  // until they are known: on_in_force()
  client_.begin();
  grpc::CallOptions options;
  options.metadata = {source_.metadata.begin(), source_.metadata.end()};
  call_ = channel_.start(
      std::string("/envoy.service.discovery.v3.AggregatedDiscoveryService/") +
          (source_.incremental ? "DeltaAggregatedResources" : "StreamAggregatedResources"),
      std::move(options), *this);
  flush();
}

void AdsSource::on_end(const grpc::Status& status, const grpc::Metadata&) {
  ended(status.ok() ? "the server ended the stream" : status.text());
}

void AdsSource::ended(const std::string& why) {
  call_.reset();
  resume_timer_.cancel();
  refused_ = 0;
  if (std::exchange(connected_, false)) failures_ = 0;
  if (std::exchange(down_because_, why) != why)
    log::warning("the control plane is lost; what it said last is served",
                 {{"cluster", source_.cluster}, {"error", why}});
  for (const Type type : {Type::Cluster, Type::Listener}) {
    if (!client_.subscribed(size_t(type))) continue;
    ++updates(type).failure;
    ++updates(type).attempt;
  }
  const Duration longest =
      std::min<Duration>(kPauseMax, kPauseMin * (1 << std::min(failures_, 8U)));
  ++failures_;
  retry_timer_.arm(longest / 2 + Duration(random_.below(uint64_t(longest.count() / 2 + 1))));
}

// Endpoints and routes that clusters and listeners name.
void AdsSource::want_named() {
  client_.want(size_t(Type::Endpoint), set_.endpoint_names());
  if (stage_ != Stage::Clusters) client_.want(size_t(Type::Route), set_.route_names());
  flush();
}

void AdsSource::flush() {
  if (!call_) return;
  while (call_->buffered() <= kUnsentMax) {
    const auto request = client_.next();
    if (!request) break;
    call_->send(*request);
  }
  if (call_->buffered() > kUnsentMax)
    call_->pause();
  else if (!resume_timer_.armed())
    call_->resume();
}

void AdsSource::on_received(size_t type, const ads::AdsClient::Received& received,
                            std::vector<ads::AdsClient::Refusal>& refused) {
  if (received.whole) {
    xds::DynamicSet::Names names;
    for (const auto& item : received.items) names.insert(item.name);
    set_.keep_only(Type(type), names);
  }
  for (const auto& item : received.items) {
    auto set = set_.set(Type(type), item.name, item.version, item.body);
    if (set) continue;
    log::warning("resource refused", {{"name", item.name}, {"error", set.error().text}});
    refused.push_back({item.name, std::move(set).error().text});
  }
  for (const auto name : received.removed) set_.remove(Type(type), name);
}

void AdsSource::on_message(std::string_view message) {
  auto outcome = client_.take(message);
  if (!outcome) return ended(outcome.error().text);
  if (!std::exchange(connected_, true)) {
    failures_ = 0;
    down_because_.clear();
    log::info("the control plane answers",
              {{"cluster", source_.cluster}, {"identifier", outcome->control_plane}});
  }
  control_plane_ = outcome->control_plane;
  if (!outcome->type) return;
  count(*outcome);
  want_named();
  settle_timer_.arm(Duration::zero());
}

void AdsSource::count(const ads::AdsClient::Outcome& outcome) {
  Updates& updates = updates_[*outcome.type];
  updates.answered = true;
  ++updates.attempt;
  ++(outcome.accepted ? updates.success : updates.rejected);
  updates.last = loop_.wall();
  if (outcome.accepted) {
    refused_ = 0;
    return;
  }
  log::warning("a response of the control plane is refused", {{"error", outcome.reason}});
  // The first time at once.
  if (++refused_ == 1 || !call_) return;
  call_->pause();
  resume_timer_.arm(
      std::min<Duration>(kRefusedPauseMax, kRefusedPause * (1 << std::min(refused_ - 2, 6U))));
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
      client_.want_all(size_t(Type::Listener));
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
  gauge("control_plane.connected_state", connected_ ? 1 : 0);
  out.push_back({.name = "control_plane.identifier", .text = control_plane_});
  const auto add = [&](const std::string& manager, const std::string& what, Type type) {
    const Updates& updates = updates_[size_t(type)];
    const std::string at = manager + "." + what + ".";
    counter(at + "init_fetch_timeout", updates.init_fetch_timeout);
    counter(at + "update_attempt", updates.attempt);
    counter(at + "update_failure", updates.failure);
    counter(at + "update_rejected", updates.rejected);
    counter(at + "update_success", updates.success);
    gauge(at + "update_time", uint64_t(std::chrono::duration_cast<std::chrono::milliseconds>(
                                           updates.last.time_since_epoch())
                                           .count()));
    out.push_back({.name = at + "version_text", .text = client_.version(size_t(type))});
  };
  if (source_.clusters) add("cluster_manager", "cds", Type::Cluster);
  if (source_.listeners) add("listener_manager", "lds", Type::Listener);
  const auto& clusters = set_.counts(Type::Cluster);
  counter("cluster_manager.cluster_added", clusters.added_static + clusters.added);
  counter("cluster_manager.cluster_modified", clusters.modified);
  counter("cluster_manager.cluster_removed", clusters.removed);
  gauge("cluster_manager.warming_clusters", clusters.warming);
  const auto& listeners = set_.counts(Type::Listener);
  counter("listener_manager.listener_added", listeners.added_static + listeners.added);
  counter("listener_manager.listener_modified", listeners.modified);
  counter("listener_manager.listener_removed", listeners.removed);
  gauge("listener_manager.total_listeners_warming", listeners.warming);
  return out;
}

}  // namespace mesh::forwarder

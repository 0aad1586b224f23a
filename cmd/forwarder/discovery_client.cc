#include "cmd/forwarder/discovery_client.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "cli/version.h"
#include "resilience/backoff.h"
#include "upstream/cluster_spec.h"

namespace mesh::forwarder {
namespace {

envoy::config::core::v3::Node node_of(const std::string& bytes) {
  envoy::config::core::v3::Node node;
  static_cast<void>(node.ParseFromString(bytes));  // our own bytes
  node.set_user_agent_name("mesh-forwarder");
  node.set_user_agent_version(std::string(cli::kVersion));
  // envoyproxy.io, "Well Known Client Features".
  node.add_client_features("xds.config.supports-resource-ttl");
  node.add_client_features("xds.config.resource-in-sotw");
  return node;
}

ads::AdsClient::Variant variant_of(const xds::DynamicSource& source) {
  return source.incremental ? ads::AdsClient::Variant::Incremental
                            : ads::AdsClient::Variant::StateOfTheWorld;
}

}  // namespace

DiscoveryClient::DiscoveryClient(event::Loop& loop, Options options, Owner& owner)
    : source_(std::move(options.source)),
      method_("/" + options.service + "/" + (source_.incremental ? "Delta" : "Stream") +
              options.resources),
      cluster_(std::move(options.cluster)),
      owner_(owner),
      client_(variant_of(source_), std::move(options.types), node_of(options.node),
              !source_.node_on_first_message_only, owner),
      loop_(loop),
      retry_timer_(loop, [this] { begin(); }),
      lapse_timer_(loop, [this] { lapse(); }),
      resume_timer_(loop,
                    [this] {
                      if (call_) call_->resume();
                    }),
      channel_(loop, channel_options()) {}

DiscoveryClient::~DiscoveryClient() = default;

grpc::Channel::Options DiscoveryClient::channel_options() {
  grpc::Channel::Options options;
  options.authority = source_.authority;
  options.connect_timeout = cluster_->connect_timeout;
  options.keepalive = kKeepalive;
  options.message_bytes_max = source_.message_bytes_max;
  // Ours are the pauses.
  options.pause_min = options.pause_max = std::chrono::milliseconds(50);
  if (!cluster_->tls) return options;
  options.sni = cluster_->tls->sni;
  options.tls = [this] { return context(); };
  return options;
}

std::shared_ptr<const tls::Context> DiscoveryClient::context() {
  if (!cluster_->tls) return nullptr;
  xds::TlsContext config = *cluster_->tls;
  config.alpn = {"h2"};
  return owner_.context(config);
}

// The server's addresses are those of its cluster, resolved where they are names.
void DiscoveryClient::use_endpoints(const forward::Snapshot& snapshot) {
  const auto found = snapshot.clusters.find(source_.cluster);
  if (found == snapshot.clusters.end()) return;
  std::vector<net::Address> addresses;
  for (const auto& endpoint : found->second->endpoints) addresses.push_back(endpoint.address);
  if (addresses == addresses_ || addresses.empty()) return;
  addresses_ = std::move(addresses);
  channel_.set_addresses(addresses_);
  if (!call_) retry_timer_.arm(Duration::zero());
}

void DiscoveryClient::begin() {
  retry_timer_.cancel();
  if (addresses_.empty()) return;  // until they are known: use_endpoints()
  client_.begin();
  grpc::CallOptions options;
  options.metadata = {source_.metadata.begin(), source_.metadata.end()};
  call_ = channel_.start(method_, std::move(options), *this);
  flush();
}

void DiscoveryClient::on_end(const grpc::Status& status, const grpc::Metadata&) {
  ended(status.ok() ? "the server ended the stream" : status.text());
}

void DiscoveryClient::ended(const std::string& why) {
  call_.reset();
  resume_timer_.cancel();
  refused_ = 0;
  if (std::exchange(connected_, false)) failures_ = 0;
  if (std::exchange(down_because_, why) != why)
    log::warning("the control plane is lost; what it said last is served",
                 {{"cluster", source_.cluster}, {"error", why}});
  retry_timer_.arm(resilience::backoff(++failures_, kPauseBase, kPauseMax, random_));
  owner_.on_lost();
}

void DiscoveryClient::flush() {
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

void DiscoveryClient::on_message(std::string_view message) {
  const auto outcome = client_.take(message, loop_.now());
  watch_lapses();
  if (!outcome) return ended(outcome.error().text);
  if (!std::exchange(connected_, true)) {
    failures_ = 0;
    down_because_.clear();
    log::info("the control plane answers",
              {{"cluster", source_.cluster}, {"identifier", outcome->control_plane}});
  }
  control_plane_ = outcome->control_plane;
  if (!outcome->type) return;
  pace(*outcome);
  owner_.on_outcome(*outcome);
  flush();
}

// What came with a time to live may go also while no server is there.
void DiscoveryClient::watch_lapses() {
  lapse_timer_.cancel();
  if (const auto next = client_.next_lapse())
    lapse_timer_.arm(std::max<Duration>(Duration::zero(), *next - loop_.now()));
}

void DiscoveryClient::lapse() {
  client_.lapse(loop_.now());
  watch_lapses();
  owner_.on_lapsed();
}

void DiscoveryClient::pace(const ads::AdsClient::Outcome& outcome) {
  if (outcome.accepted) {
    refused_ = 0;
    return;
  }
  log::warning("a response of the control plane is refused",
               {{"cluster", source_.cluster}, {"error", outcome.reason}});
  // The first time at once.
  if (++refused_ == 1 || !call_) return;
  call_->pause();
  resume_timer_.arm(
      std::min<Duration>(kRefusedPauseMax, kRefusedPause * (1 << std::min(refused_ - 2, 6U))));
}

}  // namespace mesh::forwarder

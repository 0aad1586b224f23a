#include "cmd/discoveryd/xds_server.h"

#include "base/log.h"
#include "cmd/discoveryd/xds_node.h"
#include "cmd/discoveryd/xds_stream.h"

namespace mesh::discoveryd {
namespace {

constexpr uint32_t kSocketMode = 0660;

}  // namespace

XdsServer::XdsServer(daemon::Runtime& runtime, Publisher& publisher, std::string trust_domain,
                     Xds settings)
    : runtime_(runtime),
      publisher_(publisher),
      trust_domain_(std::move(trust_domain)),
      settings_(std::move(settings)),
      server_(std::make_unique<grpc::Server>(runtime.loop(), grpc::Server::Options{})) {
  add("StreamAggregatedResources", false);
  add("DeltaAggregatedResources", true);
}

XdsServer::~XdsServer() = default;

void XdsServer::add(const char* method, bool incremental) {
  using Variant = ads::AdsStream::Variant;
  const auto variant = incremental ? Variant::Incremental : Variant::StateOfTheWorld;
  server_->add(std::string("/envoy.service.discovery.v3.AggregatedDiscoveryService/") + method,
               [this, variant](grpc::ServerCall& call) -> std::unique_ptr<grpc::CallHandler> {
                 if (streams_ >= kStreamsMax) {
                   call.finish({grpc::Code::ResourceExhausted, "too many streams"});
                   return nullptr;
                 }
                 ++streams_;
                 return std::make_unique<XdsStream>(runtime_.loop(), *this, publisher_, call,
                                                    variant, ++next_id_);
               });
}

Result<void> XdsServer::start() {
  const std::string path =
      settings_.socket.empty() ? runtime_.paths().run_dir + "/xds.sock" : settings_.socket;
  MESH_TRY(const auto address, net::Address::unix_path(path));
  MESH_TRY(auto socket, sockets_.bind("xds", address, {.mode = kSocketMode}));
  MESH_TRY_VOID(server_->serve(std::move(socket)));
  if (settings_.listen.empty()) return {};
  return listen_secure();
}

Result<void> XdsServer::listen_secure() {
  const std::string dir = runtime_.paths().state_dir + "/identity";
  MESH_TRY_VOID(daemon::make_dir(dir, 0700, "directory of the certificate"));
  certd_ = std::make_unique<bus::Client>(runtime_.loop(), runtime_.paths().socket("certd"));
  identity_ = std::make_unique<client::CertClient>(
      *certd_, runtime_.loop(), runtime_.clock(),
      client::CertClient::Options{.state_dir = dir,
                                  .name = "discoveryd",
                                  .token_file = settings_.token_file,
                                  .workload_namespace = {},
                                  .service_account = {}},
      [this](const identity::Svid& svid, const identity::TrustBundle& bundle) {
        tls::Options tls;
        tls.alpn = {"h2"};
        auto made = tls::Context::for_mesh(tls::Role::Server, svid, bundle, std::move(tls));
        if (!made) return log::error("xds: no certificate", {{"error", made.error().text}});
        context_ = std::move(*made);
      });
  MESH_TRY_VOID(identity_->start());
  MESH_TRY(const auto address, net::Address::parse(settings_.listen));
  MESH_TRY(auto socket, sockets_.bind("xds_tls", address, {}));
  log::info("xds", {{"listen", socket->address().to_string()}});
  return server_->serve(std::move(socket), [this] { return context_; });
}

Result<void> XdsServer::arrive(const grpc::Peer& peer, bus::Node& words) {
  MESH_TRY_VOID(bind_to_peer(peer, trust_domain_, words));
  const std::string who = peer.text();
  const auto owner = owners_.find(words.id);
  if (owner == owners_.end()) {
    if (publisher_.forwarders().contains(words.id))
      return Error{Errc::Refused, "a forwarder has this node.id"};
    owners_[words.id] = {who, 1};
    return {};
  }
  if (owner->second.peer != who) return Error{Errc::Refused, "another peer has this node.id"};
  ++owner->second.streams;
  return {};
}

void XdsServer::left(const std::string& node) {
  --streams_;
  const auto owner = owners_.find(node);
  if (owner != owners_.end() && --owner->second.streams == 0) owners_.erase(owner);
}

}  // namespace mesh::discoveryd

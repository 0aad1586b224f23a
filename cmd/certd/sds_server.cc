#include "cmd/certd/sds_server.h"

#include "base/log.h"
#include "base/text.h"
#include "cmd/certd/sds_stream.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "identity/digest.h"

namespace mesh::certd {
namespace {

namespace tls = envoy::extensions::transport_sockets::tls::v3;

constexpr uint32_t kSocketMode = 0660;

}  // namespace

SdsServer::SdsServer(event::Loop& loop, Issuer& issuer)
    : loop_(loop),
      issuer_(issuer),
      server_(std::make_unique<grpc::Server>(loop, grpc::Server::Options{})) {
  add("/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets", false);
  add("/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets", true);
  add("/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources", false);
  add("/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources", true);
  set_roots();
}

SdsServer::~SdsServer() = default;

void SdsServer::add(const char* path, bool incremental) {
  using Variant = ads::AdsStream::Variant;
  const auto variant = incremental ? Variant::Incremental : Variant::StateOfTheWorld;
  server_->add(path, [this, variant](grpc::ServerCall& call) -> std::unique_ptr<grpc::CallHandler> {
    if (streams_.size() >= kStreamsMax) {
      call.finish({grpc::Code::ResourceExhausted, "too many streams"});
      return nullptr;
    }
    auto stream = std::make_unique<SdsStream>(loop_, *this, call, variant);
    streams_.insert(stream.get());
    return stream;
  });
}

Result<void> SdsServer::start(const std::string& path) {
  MESH_TRY(const auto address, net::Address::unix_path(path));
  MESH_TRY(auto socket, sockets_.bind("sds", address, {.mode = kSocketMode}));
  return server_->serve(std::move(socket));
}

void SdsServer::set_roots() {
  const auto bundle = issuer_.bundle();
  if (!bundle) return;
  tls::Secret secret;
  secret.set_name(std::string(kRoots));
  secret.mutable_validation_context()->mutable_trusted_ca()->set_inline_bytes(bundle->pem());
  roots_.body = std::make_shared<const std::string>(secret.SerializeAsString());
  roots_.version = text::to_hex(identity::sha256(*roots_.body)).substr(0, 16);
}

void SdsServer::set_secret(Holder& holder, const ca::Leaf& leaf) {
  tls::Secret secret;
  secret.set_name(std::string(kOwn));
  auto& certificate = *secret.mutable_tls_certificate();
  certificate.mutable_certificate_chain()->set_inline_bytes(
      identity::to_pem(issuer_.chain_of(leaf)));
  certificate.mutable_private_key()->set_inline_bytes(holder.key.pem());
  holder.secret.body = std::make_shared<const std::string>(secret.SerializeAsString());
  holder.secret.version = leaf.certificate.serial();
}

Result<SdsServer::Secret> SdsServer::own(uint32_t uid, SdsStream& stream) {
  auto found = holders_.find(uid);
  if (found != holders_.end() && issuer_.in_force(uid, found->second.key.fingerprint())) {
    found->second.streams.insert(&stream);
    return found->second.secret;
  }
  std::optional<identity::Key> key;
  if (found != holders_.end()) {
    key = found->second.key;
  } else {
    MESH_TRY(key, identity::Key::generate());
  }
  MESH_TRY(const std::string der, identity::Csr::create(*key));
  MESH_TRY(const auto csr, identity::Csr::parse(der));
  MESH_TRY(const ca::Leaf leaf, issuer_.sign_for(uid, csr));
  if (found == holders_.end()) found = holders_.emplace(uid, Holder{.key = *key}).first;
  Holder& holder = found->second;
  set_secret(holder, leaf);
  for (SdsStream* other : holder.streams) other->offer_own(holder.secret);
  holder.streams.insert(&stream);
  return holder.secret;
}

void SdsServer::left(SdsStream& stream) {
  streams_.erase(&stream);
  for (auto& [uid, holder] : holders_) holder.streams.erase(&stream);
}

size_t SdsServer::watchers(const std::string& key) const {
  for (const auto& [uid, holder] : holders_)
    if (holder.key.fingerprint() == key) return holder.streams.size();
  return 0;
}

std::vector<std::string> SdsServer::watched() const {
  std::vector<std::string> keys;
  for (const auto& [uid, holder] : holders_)
    if (!holder.streams.empty()) keys.push_back(holder.key.fingerprint());
  return keys;
}

bool SdsServer::offer(const std::string& key, const ca::Leaf& leaf) {
  for (auto& [uid, holder] : holders_) {
    if (holder.key.fingerprint() != key) continue;
    set_secret(holder, leaf);
    for (SdsStream* stream : holder.streams) stream->offer_own(holder.secret);
    return true;
  }
  return false;
}

void SdsServer::refresh() {
  set_roots();
  // A stream may end meanwhile.
  const auto streams = streams_;
  for (SdsStream* stream : streams) {
    if (!streams_.contains(stream)) continue;
    stream->offer_roots(roots_);
    stream->look_again();
  }
}

}  // namespace mesh::certd

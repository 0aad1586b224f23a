#include "cmd/forwarder/secret_client.h"

#include <utility>

#include "base/log.h"
#include "xds/decode.h"

namespace mesh::forwarder {

SecretClient::SecretClient(event::Loop& loop, const xds::DynamicSource& server, std::string node,
                           std::shared_ptr<const xds::Cluster> cluster, Hooks hooks)
    : server_(server),
      hooks_(std::move(hooks)),
      client_(loop,
              {.source = server,
               .service = "envoy.service.secret.v3.SecretDiscoveryService",
               .resources = "Secrets",
               .types = {{.url = xds::kSecretType}},
               .node = std::move(node),
               .cluster = std::move(cluster)},
              *this) {}

void SecretClient::want(Sources sources) {
  ads::AdsClient::Names names;
  for (const auto& [name, source] : sources) names.insert(name);
  sources_ = std::move(sources);
  client_.wanted().want(0, std::move(names));
  client_.flush();
}

// What the server takes back is kept (Envoy).
void SecretClient::on_received(size_t, const ads::AdsClient::Received& received,
                               std::vector<ads::AdsClient::Refusal>& refused) {
  for (const auto& item : received.items) {
    const auto source = sources_.find(item.name);
    if (source == sources_.end() || item.confirmed) continue;
    if (auto set = hooks_.set(source->second, item.version, item.body); !set)
      refused.push_back({item.name, std::move(set).error().text});
  }
}

void SecretClient::on_lost() {
  for (const auto& [name, source] : sources_) hooks_.lost(source);
}

}  // namespace mesh::forwarder

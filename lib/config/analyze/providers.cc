// Providers: services that MeshConfig names for others to name.
#include "base/text.h"
#include "config/analyze/analyzer.h"
#include "config/validate/checker.h"
#include "istio/telemetry/v1alpha1/telemetry.pb.h"
#include "mesh/v1/mesh_config.pb.h"

namespace mesh::config {
namespace {

using ::mesh::v1::ExtensionProvider;
using ::mesh::v1::MeshConfig;

// As an authorizer and as who takes spans one name is two things.
std::string key_of(const ExtensionProvider& provider) {
  const char* const what = provider.has_envoy_ext_authz_http()   ? "HTTP authorizer "
                           : provider.has_envoy_ext_authz_grpc() ? "gRPC authorizer "
                                                                 : "spans ";
  return what + provider.name();
}

}  // namespace

void Analyzer::add_providers(const v1::Object& object) {
  const auto spec = spec_of<MeshConfig>(object);
  for (const auto& provider : spec.extension_providers()) {
    ++providers_[key_of(provider)];
    touch(kProvider, key_of(provider));
  }
}

void Analyzer::remove_providers(const v1::Object& object) {
  const auto spec = spec_of<MeshConfig>(object);
  for (const auto& provider : spec.extension_providers()) {
    const auto known = providers_.find(key_of(provider));
    if (known != providers_.end() && --known->second == 0) providers_.erase(known);
    touch(kProvider, key_of(provider));
  }
}

// The services of a MeshConfig's providers.
void Analyzer::providers(const v1::Object& object) {
  const auto spec = spec_of<MeshConfig>(object);
  const auto check = [&](const auto& provider, const std::string& path) {
    const std::string& service = provider.service();
    const size_t slash = service.find('/');
    const std::string host = slash == std::string::npos ? service : service.substr(slash + 1);
    const std::string ns =
        slash == std::string::npos ? object.namespace_() : service.substr(0, slash);
    if (!index_.has_host(host, ns))
      return find("M101", object, path + ".service", "no ServiceEntry has the host " + host);
    known_port(object, path + ".port", host, ns, provider.port());
  };
  for (int i = 0; i < spec.extension_providers_size(); ++i) {
    const auto& provider = spec.extension_providers(i);
    const std::string path = at_index("spec.extensionProviders", i);
    if (provider.has_envoy_ext_authz_http())
      check(provider.envoy_ext_authz_http(), path + ".envoyExtAuthzHttp");
    else if (provider.has_envoy_ext_authz_grpc())
      check(provider.envoy_ext_authz_grpc(), path + ".envoyExtAuthzGrpc");
    else if (!provider.opentelemetry().service().empty())
      check(provider.opentelemetry(), path + ".opentelemetry");
  }
}

bool Analyzer::has_provider(const std::string& key) {
  depend(kProvider, key);
  return providers_.contains(key);
}

void Analyzer::spans(const v1::Object& object) {
  const auto spec = spec_of<::istio::telemetry::v1alpha1::Telemetry>(object);
  for (int i = 0; i < spec.tracing_size(); ++i) {
    for (const auto& provider : spec.tracing(i).providers())
      if (!has_provider("spans " + provider.name()))
        find("M111", object, at_index("spec.tracing", i) + ".providers",
             "no MeshConfig has " + text::quoted(provider.name()) +
                 ", who takes spans, among its extensionProviders: none are reported");
  }
}

}  // namespace mesh::config

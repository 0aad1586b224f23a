// Providers: services that MeshConfig names for others to name.
#include "base/text.h"
#include "config/analyze/analyzer.h"
#include "config/validate/checker.h"
#include "istio/security/v1beta1/authorization_policy.pb.h"
#include "mesh/v1/mesh_config.pb.h"

namespace mesh::config {
namespace {

using ::istio::security::v1beta1::AuthorizationPolicy;
using ::mesh::v1::ExtensionProvider;
using ::mesh::v1::MeshConfig;

bool authorizes(const ExtensionProvider& provider) {
  return provider.has_envoy_ext_authz_http() || provider.has_envoy_ext_authz_grpc();
}

}  // namespace

void Analyzer::add_providers(const v1::Object& object) {
  const auto spec = spec_of<MeshConfig>(object);
  for (const auto& provider : spec.extension_providers()) {
    if (!authorizes(provider)) continue;
    ++providers_[provider.name()];
    touch(kProvider, provider.name());
  }
}

void Analyzer::remove_providers(const v1::Object& object) {
  const auto spec = spec_of<MeshConfig>(object);
  for (const auto& provider : spec.extension_providers()) {
    if (!authorizes(provider)) continue;
    const auto known = providers_.find(provider.name());
    if (known != providers_.end() && --known->second == 0) providers_.erase(known);
    touch(kProvider, provider.name());
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
  }
}

void Analyzer::authorization(const v1::Object& object) {
  const auto spec = spec_of<AuthorizationPolicy>(object);
  if (spec.action() != AuthorizationPolicy::CUSTOM) return;
  const std::string& name = spec.provider().name();
  depend(kProvider, name);
  if (providers_.contains(name)) return;
  find("M111", object, "spec.provider.name",
       "no MeshConfig has the authorizer " + text::quoted(name) +
           " among its extensionProviders: what the rules match is refused");
}

}  // namespace mesh::config

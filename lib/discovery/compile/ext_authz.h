// Providers of authorization as Envoy's filter that asks them (Istio, "External
// Authorization"). Inside of lib/discovery only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/model.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb.h"
#include "envoy/extensions/filters/network/ext_authz/v3/ext_authz.pb.h"

namespace mesh::discovery {

// What begins the names of the policies that let requests be asked of, PROVIDER-ns[... behind
// it; and their key in what the filter of access control finds out.
inline constexpr std::string_view kCustomPolicy = "istio-ext-authz-";
inline constexpr std::string_view kCustomKey = "istio_ext_authz_";

// MeshConfig's provider of this name, where it is one of authorization; null: there is none.
const v1::ExtensionProvider* find_authorizer(const Model& model, const std::string& name);

// The service of the provider of this name, as Istio finds it: NAMESPACE/HOST, or HOST where
// one namespace alone has it. Null: there is no such provider or service.
const Service* provider_service(const Model& model, const std::string& provider);

// The filter that asks the provider of what its policies match; nullopt as above.
std::optional<envoy::extensions::filters::http::ext_authz::v3::ExtAuthz> compile_provider(
    const Model& model, const std::string& provider);

// The same of connections; nullopt where the provider is asked over HTTP, too.
std::optional<envoy::extensions::filters::network::ext_authz::v3::ExtAuthz>
compile_connection_provider(const Model& model, const std::string& provider);

// The services of the providers that are asked of calls to the node, some perhaps twice.
std::vector<const Service*> asked_providers(const Model& model, const Node& node);

}  // namespace mesh::discovery

#include "discovery/compile/ext_authz.h"

#include <map>

#include "base/text.h"
#include "discovery/compile/build.h"
#include "discovery/compile/policy_target.h"

namespace mesh::discovery {
namespace {

namespace core = envoy::config::core::v3;
namespace ext_authz = envoy::extensions::filters::http::ext_authz::v3;
namespace network = envoy::extensions::filters::network::ext_authz::v3;
using envoy::type::matcher::v3::ListStringMatcher;
using istio_security::AuthorizationPolicy;
using v1::ExtensionProvider;
using Strings = google::protobuf::RepeatedPtrField<std::string>;

constexpr Duration kTimeout = std::chrono::seconds(600);  // Istio's

const Service* find_service(const Model& model, const std::string& written) {
  const size_t slash = written.find('/');
  const bool says_where = slash != std::string::npos;
  const std::string ns = says_where ? written.substr(0, slash) : model.options().root_namespace;
  const std::string host = model.resolve(text::to_lower(written.substr(slash + 1)), ns);
  const Service* result = nullptr;
  for (const Service& service : model.services()) {
    if (service.host != host) continue;
    if (says_where && service.ns != ns) continue;
    if (result != nullptr) return nullptr;  // which one is not said
    result = &service;
  }
  return result;
}

template <class Provider>
void set_common(const Provider& provider, ext_authz::ExtAuthz& into) {
  into.set_transport_api_version(core::V3);
  into.set_failure_mode_allow(provider.fail_open());
  into.set_clear_route_cache(provider.clear_route_cache());
  if (const auto status = text::parse_uint(provider.status_on_error(), 599))
    into.mutable_status_on_error()->set_code(envoy::type::v3::StatusCode(int(*status)));
  if (!provider.has_include_request_body_in_check()) return;
  const auto& body = provider.include_request_body_in_check();
  auto& settings = *into.mutable_with_request_body();
  settings.set_max_request_bytes(body.max_request_bytes());
  settings.set_allow_partial_message(body.allow_partial_message());
  settings.set_pack_as_bytes(body.pack_as_bytes());
}

template <class Provider>
void set_timeout(const Provider& provider, google::protobuf::Duration& into) {
  if (provider.has_timeout())
    into = provider.timeout();
  else
    set(kTimeout, into);
}

// NAME, "prefix*" or "*suffix".
void set_names(const Strings& names, ListStringMatcher& into) {
  for (const std::string& name : names) {
    auto& pattern = *into.add_patterns();
    pattern.set_ignore_case(true);
    if (name.starts_with('*'))
      pattern.set_suffix(name.substr(1));
    else if (name.ends_with('*'))
      pattern.set_prefix(name.substr(0, name.size() - 1));
    else
      pattern.set_exact(name);
  }
}

void set_http(const ExtensionProvider::EnvoyExternalAuthorizationHttpProvider& provider,
              const Service& service, ext_authz::ExtAuthz& into) {
  auto& http = *into.mutable_http_service();
  auto& uri = *http.mutable_server_uri();
  uri.set_uri("http://" + service.host);
  uri.set_cluster(outbound_name(provider.port(), "", service.host));
  set_timeout(provider, *uri.mutable_timeout());
  http.set_path_prefix(provider.path_prefix());
  if (!provider.include_request_headers_in_check().empty())
    set_names(provider.include_request_headers_in_check(), *into.mutable_allowed_headers());
  const auto& more = provider.include_additional_headers_in_check();
  for (const auto& [name, value] : std::map<std::string, std::string>(more.begin(), more.end())) {
    auto& header = *http.mutable_authorization_request()->add_headers_to_add();
    header.set_key(name);
    header.set_value(value);
  }
  auto& answer = *http.mutable_authorization_response();
  if (!provider.headers_to_upstream_on_allow().empty())
    set_names(provider.headers_to_upstream_on_allow(), *answer.mutable_allowed_upstream_headers());
  if (!provider.headers_to_downstream_on_deny().empty())
    set_names(provider.headers_to_downstream_on_deny(), *answer.mutable_allowed_client_headers());
  if (!provider.headers_to_downstream_on_allow().empty())
    set_names(provider.headers_to_downstream_on_allow(),
              *answer.mutable_allowed_client_headers_on_success());
}

void set_grpc(const ExtensionProvider::EnvoyExternalAuthorizationGrpcProvider& provider,
              const Service& service, core::GrpcService& grpc) {
  grpc.mutable_envoy_grpc()->set_cluster_name(outbound_name(provider.port(), "", service.host));
  grpc.mutable_envoy_grpc()->set_authority(service.host);
  set_timeout(provider, *grpc.mutable_timeout());
}

// Where the filter of access control `filter` has found that a policy of the provider matches.
void set_condition(const char* filter, const std::string& provider,
                   envoy::type::matcher::v3::MetadataMatcher& into) {
  into.set_filter(filter);
  into.add_path()->set_key(std::string(kCustomKey) + "shadow_effective_policy_id");
  // The whole name, so that no other provider's begins so.
  into.mutable_value()->mutable_string_match()->set_prefix(std::string(kCustomPolicy) + provider +
                                                           "-ns[");
}

}  // namespace

const ExtensionProvider* find_authorizer(const Model& model, const std::string& name) {
  const auto* const mesh = model.mesh_config();
  if (mesh == nullptr) return nullptr;
  for (const auto& provider : mesh->spec.extension_providers())
    if (provider.name() == name &&
        (provider.has_envoy_ext_authz_http() || provider.has_envoy_ext_authz_grpc()))
      return &provider;
  return nullptr;
}

const Service* provider_service(const Model& model, const std::string& provider) {
  const auto* const found = find_authorizer(model, provider);
  if (found == nullptr) return nullptr;
  return find_service(model, found->has_envoy_ext_authz_http()
                                 ? found->envoy_ext_authz_http().service()
                                 : found->envoy_ext_authz_grpc().service());
}

std::optional<ext_authz::ExtAuthz> compile_provider(const Model& model,
                                                    const std::string& provider) {
  const auto* const service = provider_service(model, provider);
  if (service == nullptr) return std::nullopt;
  const ExtensionProvider& found = *find_authorizer(model, provider);
  ext_authz::ExtAuthz filter;
  if (found.has_envoy_ext_authz_http()) {
    set_common(found.envoy_ext_authz_http(), filter);
    set_http(found.envoy_ext_authz_http(), *service, filter);
  } else {
    set_common(found.envoy_ext_authz_grpc(), filter);
    set_grpc(found.envoy_ext_authz_grpc(), *service, *filter.mutable_grpc_service());
  }
  set_condition("envoy.filters.http.rbac", provider, *filter.mutable_filter_enabled_metadata());
  return filter;
}

std::optional<network::ExtAuthz> compile_connection_provider(const Model& model,
                                                             const std::string& provider) {
  const auto* const service = provider_service(model, provider);
  if (service == nullptr) return std::nullopt;
  const ExtensionProvider& found = *find_authorizer(model, provider);
  if (!found.has_envoy_ext_authz_grpc()) return std::nullopt;
  network::ExtAuthz filter;
  filter.set_stat_prefix(provider);
  filter.set_transport_api_version(core::V3);
  filter.set_failure_mode_allow(found.envoy_ext_authz_grpc().fail_open());
  set_grpc(found.envoy_ext_authz_grpc(), *service, *filter.mutable_grpc_service());
  set_condition("envoy.filters.network.rbac", provider, *filter.mutable_filter_enabled_metadata());
  return filter;
}

std::vector<const Service*> asked_providers(const Model& model, const Node& node) {
  std::vector<const Service*> result;
  const PolicyTarget target = target_of(model, node);
  for (const auto& policy : model.objects().authorization_policies) {
    if (policy.spec.action() != AuthorizationPolicy::CUSTOM || !is_about(model, policy, target))
      continue;
    if (const auto* const service = provider_service(model, policy.spec.provider().name()))
      result.push_back(service);
  }
  return result;
}

}  // namespace mesh::discovery

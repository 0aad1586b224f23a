#include "config/validate/authorizer.h"

#include "base/text.h"
#include "envoy/type/v3/type.pb.h"

namespace mesh::config {
namespace {

using ::mesh::v1::ExtensionProvider;
using Body = ExtensionProvider::EnvoyExternalAuthorizationRequestBody;
using Strings = Checker::Strings;

// The largest part of a body that waits in memory while an authorizer is asked.
constexpr uint32_t kBodyBytesMax = 8U << 20;

void check_service(const std::string& service, const std::string& path, Checker& checker) {
  const size_t slash = service.find('/');
  if (slash != std::string::npos) checker.label_name(path, service.substr(0, slash));
  checker.host(path, slash == std::string::npos ? service : service.substr(slash + 1), false);
}

void check_status(const std::string& status, const std::string& path, Checker& checker) {
  if (status.empty()) return;
  const auto code = text::parse_uint(status, 599);
  checker.expect(code && *code >= 200 && envoy::type::v3::StatusCode_IsValid(int(*code)), path,
                 "expected a status that Envoy knows, 200 to 511, got " + text::quoted(status));
}

void check_body(const Body& body, const std::string& path, Checker& checker) {
  checker.expect(body.max_request_bytes() >= 1 && body.max_request_bytes() <= kBodyBytesMax,
                 path + ".maxRequestBytes", "expected 1 to 8388608");
}

// NAME, "prefix*" or "*suffix".
void check_headers(const Strings& names, const std::string& path, Checker& checker) {
  for (int i = 0; i < names.size(); ++i) {
    std::string_view name = names[i];
    const bool suffix = name.starts_with('*');
    if (suffix) name.remove_prefix(1);
    if (!suffix && name.ends_with('*')) name.remove_suffix(1);
    checker.expect(
        is_field_name(name) && name.find('*') == std::string_view::npos, at_index(path, i),
        "expected the name of a header, \"prefix*\" or \"*suffix\", got " + text::quoted(names[i]));
  }
}

template <class Provider>
void check_common(const Provider& provider, const std::string& path, Checker& checker) {
  check_service(provider.service(), path + ".service", checker);
  checker.port(path + ".port", provider.port());
  if (provider.has_timeout()) checker.duration(path + ".timeout", provider.timeout(), false);
  check_status(provider.status_on_error(), path + ".statusOnError", checker);
  if (provider.has_include_request_body_in_check())
    check_body(provider.include_request_body_in_check(), path + ".includeRequestBodyInCheck",
               checker);
}

void check_http(const ExtensionProvider::EnvoyExternalAuthorizationHttpProvider& provider,
                const std::string& path, Checker& checker) {
  check_common(provider, path, checker);
  const std::string& prefix = provider.path_prefix();
  checker.expect(prefix.empty() ||
                     (prefix.front() == '/' && prefix.find_first_of("?# \t") == std::string::npos),
                 path + ".pathPrefix",
                 "expected a path that begins with /, got " + text::quoted(prefix));
  checker.expect(!provider.include_request_body_in_check().pack_as_bytes(),
                 path + ".includeRequestBodyInCheck.packAsBytes",
                 "is for envoyExtAuthzGrpc: over HTTP a body is bytes");
  check_headers(provider.include_request_headers_in_check(), path + ".includeRequestHeadersInCheck",
                checker);
  check_headers(provider.headers_to_upstream_on_allow(), path + ".headersToUpstreamOnAllow",
                checker);
  check_headers(provider.headers_to_downstream_on_deny(), path + ".headersToDownstreamOnDeny",
                checker);
  check_headers(provider.headers_to_downstream_on_allow(), path + ".headersToDownstreamOnAllow",
                checker);
  for (const auto& [name, value] : provider.include_additional_headers_in_check())
    checker.expect(is_field_name(name) &&
                       value.find_first_of(std::string_view("\r\n\0%", 4)) == std::string::npos,
                   at_key(path + ".includeAdditionalHeadersInCheck", name),
                   "expected the name of a header, and a value on one line without %");
}

}  // namespace

bool check_authorizer(const ExtensionProvider& provider, const std::string& path,
                      Checker& checker) {
  switch (provider.provider_case()) {
    case ExtensionProvider::kEnvoyExtAuthzHttp:
      check_http(provider.envoy_ext_authz_http(), path + ".envoyExtAuthzHttp", checker);
      return true;
    case ExtensionProvider::kEnvoyExtAuthzGrpc:
      check_common(provider.envoy_ext_authz_grpc(), path + ".envoyExtAuthzGrpc", checker);
      return true;
    default: return false;
  }
}

}  // namespace mesh::config

// The parts of a RouteAction that few routes have.
#include "base/text.h"
#include "xds/decode_common.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::route::v3;
using pb::RedirectAction;
using HashPolicy = pb::RouteAction::HashPolicy;

std::string item(std::string_view path, int index) {
  return std::string(path) + "[" + std::to_string(index) + "]";
}

// Nothing that would end the line of a response's head, or a header's value.
Result<std::string> decode_line(const std::string& text, const std::string& path) {
  for (const char c : text)
    if (uint8_t(c) < 0x20 || c == 0x7f) return refuse(path, "control characters are not for it");
  return text;
}

uint16_t status_of(RedirectAction::RedirectResponseCode code) {
  switch (code) {
    case RedirectAction::FOUND: return 302;
    case RedirectAction::SEE_OTHER: return 303;
    case RedirectAction::TEMPORARY_REDIRECT: return 307;
    case RedirectAction::PERMANENT_REDIRECT: return 308;
    default: return 301;
  }
}

Result<route::HashPolicy> decode_cookie(const HashPolicy::Cookie& cookie, const std::string& path) {
  route::HashPolicy result{.kind = route::HashPolicy::Kind::Cookie, .name = cookie.name()};
  if (result.name.empty() || result.name.find_first_of("=; \t") != std::string::npos)
    return refuse(path_of(path, "name"), "expected the name of a cookie");
  if (cookie.has_ttl()) {
    MESH_TRY(result.ttl, decode_duration(cookie.ttl(), path_of(path, "ttl")));
  }
  MESH_TRY(result.path, decode_line(cookie.path(), path_of(path, "path")));
  for (const auto& attribute : cookie.attributes()) {
    MESH_TRY(auto name, decode_line(attribute.name(), path_of(path, "attributes")));
    MESH_TRY(auto value, decode_line(attribute.value(), path_of(path, "attributes")));
    result.attributes.emplace_back(std::move(name), std::move(value));
  }
  return result;
}

Result<route::HashPolicy> decode_hash_policy(const HashPolicy& policy, const std::string& path) {
  using Kind = route::HashPolicy::Kind;
  route::HashPolicy result;
  switch (policy.policy_specifier_case()) {
    case HashPolicy::kHeader:
      result.name = text::to_lower(policy.header().header_name());
      if (policy.header().has_regex_rewrite()) {
        MESH_TRY(result.rewrite, decode_substitution(policy.header().regex_rewrite(),
                                                     path_of(path, "header.regex_rewrite")));
      }
      break;
    case HashPolicy::kCookie: {
      MESH_TRY(result, decode_cookie(policy.cookie(), path_of(path, "cookie")));
      break;
    }
    case HashPolicy::kConnectionProperties:
      if (!policy.connection_properties().source_ip())
        return refuse(path_of(path, "connection_properties.source_ip"), "expected true");
      result.kind = Kind::SourceIp;
      break;
    case HashPolicy::kQueryParameter:
      result.kind = Kind::QueryParameter;
      result.name = policy.query_parameter().name();
      break;
    default:
      return refuse(path, "expected header, cookie, connection_properties or query_parameter");
  }
  if (result.name.empty() && result.kind != Kind::SourceIp)
    return refuse(path, "the name is empty");
  result.terminal = policy.terminal();
  return result;
}

}  // namespace

Result<std::shared_ptr<const route::Substitution>> decode_substitution(
    const envoy::type::matcher::v3::RegexMatchAndSubstitute& regex, std::string_view path) {
  auto compiled = route::Substitution::compile(regex.pattern().regex(), regex.substitution());
  if (!compiled) return std::move(compiled).error().during(path);
  return compiled;
}

Result<std::shared_ptr<const route::Redirect>> decode_redirect(const RedirectAction& redirect,
                                                               std::string_view path) {
  using Path = route::Redirect::Path;
  route::Redirect result;
  result.status = status_of(redirect.response_code());
  MESH_TRY(result.scheme, decode_line(text::to_lower(redirect.scheme_redirect()),
                                      path_of(path, "scheme_redirect")));
  if (redirect.https_redirect()) result.scheme = "https";
  MESH_TRY(result.host, decode_line(redirect.host_redirect(), path_of(path, "host_redirect")));
  if (redirect.port_redirect() > 65535)
    return refuse(path_of(path, "port_redirect"), "a port is 1 to 65535");
  if (redirect.port_redirect() != 0) result.port = uint16_t(redirect.port_redirect());
  switch (redirect.path_rewrite_specifier_case()) {
    case RedirectAction::kPathRedirect:
      result.path_kind = redirect.path_redirect().empty() ? Path::Keep : Path::Whole;
      result.path = redirect.path_redirect();
      break;
    case RedirectAction::kPrefixRewrite:
      result.path_kind = redirect.prefix_rewrite().empty() ? Path::Keep : Path::Prefix;
      result.path = redirect.prefix_rewrite();
      break;
    case RedirectAction::kRegexRewrite: {
      result.path_kind = Path::Regex;
      MESH_TRY(result.regex,
               decode_substitution(redirect.regex_rewrite(), path_of(path, "regex_rewrite")));
      break;
    }
    default: break;
  }
  MESH_TRY(result.path, decode_line(result.path, std::string(path)));
  result.strip_query = redirect.strip_query();
  return std::make_shared<const route::Redirect>(std::move(result));
}

Result<std::vector<route::Mirror>> decode_mirrors(
    const google::protobuf::RepeatedPtrField<pb::RouteAction::RequestMirrorPolicy>& policies,
    std::string_view path) {
  std::vector<route::Mirror> result;
  for (int i = 0; i < policies.size(); ++i) {
    const auto& policy = policies[i];
    if (policy.cluster().empty() == policy.cluster_header().empty())
      return refuse(item(path, i), "expected one of cluster and cluster_header");
    route::Mirror mirror{.cluster = policy.cluster(),
                         .cluster_header = text::to_lower(policy.cluster_header()),
                         .share = {},
                         .shadow_suffix = !policy.disable_shadow_host_suffix_append(),
                         .host_rewrite = policy.host_rewrite_literal()};
    if (policy.has_runtime_fraction())
      mirror.share = decode_fraction(policy.runtime_fraction().default_value());
    result.push_back(std::move(mirror));
  }
  return result;
}

Result<std::vector<route::HashPolicy>> decode_hash_policies(const pb::RouteAction& action,
                                                            std::string_view path) {
  std::vector<route::HashPolicy> result;
  for (int i = 0; i < action.hash_policy_size(); ++i) {
    MESH_TRY(auto policy,
             decode_hash_policy(action.hash_policy(i), path_of(path, "hash_policy", i)));
    result.push_back(std::move(policy));
  }
  return result;
}

Result<std::vector<route::Upgrade>> decode_upgrades(
    const google::protobuf::RepeatedPtrField<pb::RouteAction::UpgradeConfig>& upgrades,
    std::string_view path) {
  std::vector<route::Upgrade> result;
  for (int i = 0; i < upgrades.size(); ++i) {
    const auto& config = upgrades[i];
    route::Upgrade upgrade{.type = text::to_lower(config.upgrade_type()),
                           .enabled = !config.has_enabled() || config.enabled().value(),
                           .terminate_connect = config.has_connect_config()};
    if (upgrade.type.empty()) return refuse(item(path, i), "upgrade_type is empty");
    for (const auto& other : result)
      if (other.type == upgrade.type)
        return refuse(item(path, i), "upgrade_type " + upgrade.type + " is there twice");
    if (upgrade.terminate_connect && upgrade.type != "connect")
      return refuse(item(path, i), "connect_config is for upgrade_type CONNECT");
    result.push_back(std::move(upgrade));
  }
  return result;
}

}  // namespace mesh::xds

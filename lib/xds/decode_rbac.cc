#include "xds/decode_rbac.h"

#include <map>

#include "authz/path_template.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/path/match/uri_template/v3/uri_template_match.pb.h"
#include "xds/decode_filter.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::rbac::v3;
namespace matcher = envoy::type::matcher::v3;
namespace http_rbac = envoy::extensions::filters::http::rbac::v3;
using authz::Condition;
using envoy::extensions::path::match::uri_template::v3::UriTemplateMatchConfig;
using Kind = Condition::Kind;

constexpr std::string_view kType = "envoy.extensions.filters.http.rbac.v3.RBAC";

Result<Condition> about_text(Kind kind, const matcher::StringMatcher& from,
                             const std::string& path) {
  Condition condition{.kind = kind};
  MESH_TRY(condition.text, decode_text(from, path));
  return condition;
}

Result<Condition> about_path(const matcher::PathMatcher& from, const std::string& path) {
  if (!from.has_path()) return refuse(path_of(path, "path"), "is missing");
  return about_text(Kind::Path, from.path(), path_of(path, "path"));
}

Result<Condition> about_template(const envoy::config::core::v3::TypedExtensionConfig& from,
                                 const std::string& path) {
  const std::string at = path_of(path, "typed_config");
  MESH_TRY(const auto config, unpack<UriTemplateMatchConfig>(from.typed_config(), at));
  auto regex = authz::regex_of_template(config.path_template());
  if (!regex) return refuse(path_of(at, "path_template"), regex.error().text);
  Condition condition{.kind = Kind::Path, .label = config.path_template()};
  condition.text = {.kind = route::TextMatch::Kind::Regex, .text = *std::move(regex)};
  return condition;
}

Result<Condition> about_field(const envoy::config::route::v3::HeaderMatcher& from,
                              const std::string& path) {
  Condition condition{.kind = Kind::Field};
  MESH_TRY(condition.field, decode_header(from, path));
  return condition;
}

Result<Condition> about_range(Kind kind, const envoy::config::core::v3::CidrRange& from,
                              const std::string& path) {
  Condition condition{.kind = kind};
  auto range = authz::IpRange::make(from.address_prefix(), from.prefix_len().value());
  if (!range) return refuse(path, range.error().text);
  condition.range = *range;
  return condition;
}

Result<Condition> about_ports(int64_t first, int64_t last, const std::string& path) {
  if (first < 0 || last > 65535 || first > last) return refuse(path, "are ports from 0 to 65535");
  return Condition{
      .kind = Kind::DestinationPort, .port_first = uint16_t(first), .port_last = uint16_t(last)};
}

Result<Condition> about_metadata(const matcher::MetadataMatcher& from, const std::string& path) {
  Condition condition{.kind = Kind::Claim};
  MESH_TRY(condition.claim, decode_claim(from, path));
  return condition;
}

Result<Condition> about_metadata(const pb::SourcedMetadata& from, const std::string& path) {
  if (from.metadata_source() != pb::DYNAMIC)
    return refuse(path_of(path, "metadata_source"), "only DYNAMIC is supported");
  return about_metadata(from.metadata_matcher(), path_of(path, "metadata_matcher"));
}

Result<Condition> always(bool any, const std::string& path) {
  if (!any) return refuse(path_of(path, "any"), "is true where it is set");
  return Condition{};
}

Result<Condition> decode_condition(const pb::Permission& from, const std::string& path);
Result<Condition> decode_condition(const pb::Principal& from, const std::string& path);

template <class Parts>
Result<Condition> group_of(Kind kind, const Parts& parts, const std::string& path,
                           std::string_view field) {
  Condition group{.kind = kind};
  if (parts.empty()) return refuse(path_of(path, field), "is empty");
  for (int i = 0; i < parts.size(); ++i) {
    MESH_TRY(auto part, decode_condition(parts[i], path_of(path, field, i)));
    group.parts.push_back(std::move(part));
  }
  return group;
}

template <class Inner>
Result<Condition> negation_of(const Inner& inner, const std::string& path) {
  MESH_TRY(Condition condition, decode_condition(inner, path));
  condition.negated = !condition.negated;
  return condition;
}

Result<Condition> decode_condition(const pb::Permission& from, const std::string& path) {
  using P = pb::Permission;
  switch (from.rule_case()) {
    case P::kAndRules:
      return group_of(Kind::All, from.and_rules().rules(), path_of(path, "and_rules"), "rules");
    case P::kOrRules:
      return group_of(Kind::Any, from.or_rules().rules(), path_of(path, "or_rules"), "rules");
    case P::kAny: return always(from.any(), path);
    case P::kHeader: return about_field(from.header(), path_of(path, "header"));
    case P::kUrlPath: return about_path(from.url_path(), path_of(path, "url_path"));
    case P::kUriTemplate: return about_template(from.uri_template(), path_of(path, "uri_template"));
    case P::kDestinationIp:
      return about_range(Kind::Destination, from.destination_ip(), path_of(path, "destination_ip"));
    case P::kDestinationPort:
      return about_ports(from.destination_port(), from.destination_port(),
                         path_of(path, "destination_port"));
    case P::kDestinationPortRange:
      return about_ports(from.destination_port_range().start(),
                         int64_t(from.destination_port_range().end()) - 1,
                         path_of(path, "destination_port_range"));
    case P::kMetadata: return about_metadata(from.metadata(), path_of(path, "metadata"));
    case P::kSourcedMetadata:
      return about_metadata(from.sourced_metadata(), path_of(path, "sourced_metadata"));
    case P::kNotRule: return negation_of(from.not_rule(), path_of(path, "not_rule"));
    case P::kRequestedServerName:
      return about_text(Kind::ServerName, from.requested_server_name(),
                        path_of(path, "requested_server_name"));
    default: return refuse(path, "expected a rule");
  }
}

Result<Condition> decode_condition(const pb::Principal& from, const std::string& path) {
  using P = pb::Principal;
  switch (from.identifier_case()) {
    case P::kAndIds:
      return group_of(Kind::All, from.and_ids().ids(), path_of(path, "and_ids"), "ids");
    case P::kOrIds: return group_of(Kind::Any, from.or_ids().ids(), path_of(path, "or_ids"), "ids");
    case P::kAny: return always(from.any(), path);
    case P::kAuthenticated:
      if (!from.authenticated().has_principal_name()) return Condition{.kind = Kind::Secure};
      return about_text(Kind::Principal, from.authenticated().principal_name(),
                        path_of(path, "authenticated.principal_name"));
    case P::kSourceIp:
      return about_range(Kind::Source, from.source_ip(), path_of(path, "source_ip"));
    case P::kDirectRemoteIp:
      return about_range(Kind::DirectRemote, from.direct_remote_ip(),
                         path_of(path, "direct_remote_ip"));
    case P::kRemoteIp:
      return about_range(Kind::Remote, from.remote_ip(), path_of(path, "remote_ip"));
    case P::kHeader: return about_field(from.header(), path_of(path, "header"));
    case P::kUrlPath: return about_path(from.url_path(), path_of(path, "url_path"));
    case P::kMetadata: return about_metadata(from.metadata(), path_of(path, "metadata"));
    case P::kSourcedMetadata:
      return about_metadata(from.sourced_metadata(), path_of(path, "sourced_metadata"));
    case P::kNotId: return negation_of(from.not_id(), path_of(path, "not_id"));
    default: return refuse(path, "expected an identifier");
  }
}

// Of HTTP, and the same of connections.
template <class Filter>
Result<authz::Rbac> decode_filter(const Filter& from, std::string_view path) {
  authz::Rbac result;
  if (from.has_rules()) {
    MESH_TRY(result.rules, decode_rules(from.rules(), path_of(path, "rules")));
  }
  if (from.has_shadow_rules()) {
    MESH_TRY(result.shadow, decode_rules(from.shadow_rules(), path_of(path, "shadow_rules")));
  }
  result.shadow_stat_prefix = from.shadow_rules_stat_prefix();
  return result;
}

}  // namespace

Result<std::shared_ptr<const authz::Rules>> decode_rules(const pb::RBAC& from,
                                                         std::string_view path) {
  authz::RuleSet set;
  switch (from.action()) {
    case pb::RBAC::DENY: set.action = authz::Action::Deny; break;
    case pb::RBAC::LOG: set.action = authz::Action::Log; break;
    default: set.action = authz::Action::Allow;
  }
  const std::map<std::string, const pb::Policy*> sorted = [&] {
    std::map<std::string, const pb::Policy*> result;
    for (const auto& [name, policy] : from.policies()) result.emplace(name, &policy);
    return result;
  }();
  for (const auto& [name, policy] : sorted) {
    const std::string at = path_of(path, "policies[" + name + "]");
    authz::Policy made{.name = name};
    MESH_TRY(auto what, group_of(Kind::Any, policy->permissions(), at, "permissions"));
    MESH_TRY(auto who, group_of(Kind::Any, policy->principals(), at, "principals"));
    made.permissions = std::move(what.parts);
    made.principals = std::move(who.parts);
    set.policies.push_back(std::move(made));
  }
  auto rules = authz::Rules::compile(set);
  if (!rules) return refuse(path, rules.error().text);
  return rules;
}

Result<FilterConfigPtr> decode_rbac(const google::protobuf::Any& any, std::string_view path,
                                    FilterLevel level) {
  http_rbac::RBAC from;
  std::string at(path);
  if (level == FilterLevel::Route) {
    MESH_TRY(const auto route, unpack<http_rbac::RBACPerRoute>(any, path));
    from = route.rbac();
    at = path_of(path, "rbac");
  } else {
    MESH_TRY(from, unpack<http_rbac::RBAC>(any, path));
  }
  MESH_TRY(auto result, decode_filter(from, at));
  result.rules_stat_prefix = from.rules_stat_prefix();
  return route::make_filter_config(kType, std::move(result));
}

Result<std::shared_ptr<const authz::Rbac>> decode_network_rbac(
    const envoy::extensions::filters::network::rbac::v3::RBAC& from, std::string_view path) {
  MESH_TRY(auto result, decode_filter(from, path));
  result.stat_prefix = from.stat_prefix();
  if (result.stat_prefix.empty()) return refuse(path_of(path, "stat_prefix"), "is empty");
  return std::make_shared<const authz::Rbac>(std::move(result));
}

}  // namespace mesh::xds

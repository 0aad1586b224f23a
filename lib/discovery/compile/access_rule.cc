#include "discovery/compile/access_rule.h"

#include <vector>

#include "base/text.h"
#include "discovery/compile/authentication.h"
#include "discovery/compile/build.h"
#include "envoy/extensions/path/match/uri_template/v3/uri_template_match.pb.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::rbac::v3;
namespace matcher = envoy::type::matcher::v3;
namespace security = ::istio::security::v1beta1;
using envoy::extensions::path::match::uri_template::v3::UriTemplateMatchConfig;
using Values = google::protobuf::RepeatedPtrField<std::string>;

constexpr std::string_view kSpiffe = "spiffe://";
// Istio's default: stands for the mesh's own, whatever it is called.
constexpr std::string_view kDefaultTrustDomain = "cluster.local";
constexpr const char* kAnyText = ".+";

// What a regex reads as itself.
std::string quote(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

// "a", "a*", "*a", or "*": not empty. `prefix` stands before it.
void set_text(std::string_view value, std::string_view prefix, matcher::StringMatcher& into) {
  if (value == "*") {
    into.mutable_safe_regex()->set_regex(kAnyText);
  } else if (value.starts_with('*')) {
    if (prefix.empty())
      into.set_suffix(std::string(value.substr(1)));
    else
      into.mutable_safe_regex()->set_regex(std::string(prefix) + ".*" + quote(value.substr(1)));
  } else if (value.ends_with('*')) {
    into.set_prefix(std::string(prefix) + std::string(value.substr(0, value.size() - 1)));
  } else {
    into.set_exact(std::string(prefix) + std::string(value));
  }
}

void set_field(const std::string& name, std::string_view value, bool ignore_case,
               envoy::config::route::v3::HeaderMatcher& into) {
  into.set_name(name);
  if (value == "*") {
    into.set_present_match(true);
    return;
  }
  set_text(value, "", *into.mutable_string_match());
  into.mutable_string_match()->set_ignore_case(ignore_case);
}

void set_range(std::string_view value, envoy::config::core::v3::CidrRange& into) {
  const size_t slash = value.find('/');
  const std::string_view address = value.substr(0, slash);
  const uint32_t most = address.find(':') == std::string_view::npos ? 32 : 128;
  uint32_t bits = most;
  if (slash != std::string_view::npos)
    if (const auto given = text::parse_uint(value.substr(slash + 1), most)) bits = uint32_t(*given);
  into.set_address_prefix(std::string(address));
  into.mutable_prefix_len()->set_value(bits);
}

// "ns/*" of a text, as a regex.
std::string with_stars(std::string_view value) {
  std::string regex;
  for (const auto part : text::split(value, '*')) {
    if (part.data() != value.data()) regex += ".*";
    regex += quote(part);
  }
  return regex;
}

std::string account_regex(std::string_view value, std::string_view policy_namespace) {
  const size_t slash = value.find('/');
  const std::string_view ns =
      slash == std::string_view::npos ? policy_namespace : value.substr(0, slash);
  const std::string_view account =
      slash == std::string_view::npos ? value : value.substr(slash + 1);
  return "spiffe://.+/ns/" + quote(ns) + "/(.+/|)sa/" + quote(account) + "(/.+)?";
}

void set_trust_domain(std::string_view value, matcher::StringMatcher& into) {
  if (value == "*") {
    into.set_prefix(std::string(kSpiffe));
  } else if (value.find('*') == std::string_view::npos) {
    into.set_prefix(std::string(kSpiffe) + std::string(value) + "/");
  } else {
    const size_t star = value.find('*');
    into.mutable_safe_regex()->set_regex("spiffe://" + quote(value.substr(0, star)) + "[^/]*" +
                                         quote(value.substr(star + 1)) + "/.*");
  }
}

matcher::ValueMatcher& claim(const std::vector<std::string>& path, pb::Principal& into) {
  auto& metadata = *into.mutable_metadata();
  metadata.set_filter(kJwtFilter);
  metadata.add_path()->set_key(kJwtPayload);
  for (const std::string& name : path) metadata.add_path()->set_key(name);
  return *metadata.mutable_value();
}

void set_any_value(const Values& values, matcher::ValueMatcher& into) {
  for (const std::string& value : values)
    set_text(value, "",
             *(values.size() == 1 ? into : *into.mutable_or_match()->add_value_matchers())
                  .mutable_string_match());
}

// One of the values, or a list with one of them.
void set_claim(const std::vector<std::string>& path, const Values& values, pb::Principal& into) {
  auto& either = *claim(path, into).mutable_or_match();
  set_any_value(values, *either.add_value_matchers()->mutable_list_match()->mutable_one_of());
  set_any_value(values, *either.add_value_matchers());
}

// "ISSUER/SUBJECT": the last slash is between them; a star at one end (Istio).
void set_request_principal(std::string_view value, pb::Principal& into) {
  matcher::StringMatcher issuer, subject;
  const size_t slash = value.rfind('/');
  const bool both = slash != std::string_view::npos;
  const std::string_view iss = value.substr(0, slash);
  const std::string_view sub = both ? value.substr(slash + 1) : std::string_view();
  if (value == "*") {
    set_text("*", "", issuer);
    set_text("*", "", subject);
  } else if (value.starts_with('*')) {
    set_text(both ? iss : std::string_view("*"), "", issuer);
    if (both)
      subject.set_exact(std::string(sub));
    else
      set_text(value, "", subject);
  } else if (value.ends_with('*')) {
    if (both)
      issuer.set_exact(std::string(iss));
    else
      set_text(value, "", issuer);
    set_text(both ? sub : std::string_view("*"), "", subject);
  } else {
    issuer.set_exact(std::string(iss));
    subject.set_exact(std::string(sub));
  }
  *claim({"iss"}, *into.mutable_and_ids()->add_ids()).mutable_string_match() = issuer;
  *claim({"sub"}, *into.mutable_and_ids()->add_ids()).mutable_string_match() = subject;
}

// What stands between brackets behind `name`: "[a][b]".
std::vector<std::string> bracketed(std::string_view key, std::string_view name) {
  std::vector<std::string> names;
  key.remove_prefix(name.size());
  while (key.starts_with('[')) {
    const size_t end = key.find(']');
    if (end == std::string_view::npos) break;
    names.emplace_back(key.substr(1, end - 1));
    key.remove_prefix(end + 1);
  }
  return names;
}

bool needs_http(std::string_view key) {
  return key == "hosts" || key == "methods" || key == "paths" || key.starts_with("request.");
}

std::string own_trust_domain(std::string_view value, const AccessScope& scope) {
  const size_t slash = value.find('/');
  if (value.substr(0, slash) != kDefaultTrustDomain) return std::string(value);
  return scope.trust_domain +
         std::string(slash == std::string_view::npos ? std::string_view() : value.substr(slash));
}

// One value of a key, of who calls.
void set_value(std::string_view key, const std::string& value, const AccessScope& scope,
               pb::Principal& into) {
  const auto name = [&]() -> matcher::StringMatcher& {
    return *into.mutable_authenticated()->mutable_principal_name();
  };
  if (key == "source.ip") {
    set_range(value, *into.mutable_direct_remote_ip());
  } else if (key == "remote.ip") {
    set_range(value, *into.mutable_remote_ip());
  } else if (key == "source.namespace") {
    name().mutable_safe_regex()->set_regex(".*/ns/" + with_stars(value) + "/.*");
  } else if (key == "source.serviceAccount") {
    name().mutable_safe_regex()->set_regex(account_regex(value, scope.policy_namespace));
  } else if (key == "source.trustDomain") {
    set_trust_domain(own_trust_domain(value, scope), name());
  } else if (key == "source.principal") {
    set_text(own_trust_domain(value, scope), kSpiffe, name());
  } else if (key == "request.auth.principal") {
    set_request_principal(value, into);
  } else {
    set_field(text::to_lower(bracketed(key, "request.headers").at(0)), value, false,
              *into.mutable_header());
  }
}

// One value of a key, of what is called.
void set_value(std::string_view key, const std::string& value, const AccessScope&,
               pb::Permission& into) {
  if (key == "destination.ip") {
    set_range(value, *into.mutable_destination_ip());
  } else if (key == "destination.port") {
    const auto port = text::parse_uint(value, 65535);
    into.set_destination_port(port ? uint32_t(*port) : 0);
  } else if (key == "connection.sni") {
    set_text(value, "", *into.mutable_requested_server_name());
  } else if (key == "hosts") {
    set_field(":authority", value, true, *into.mutable_header());
  } else if (key == "methods") {
    set_field(":method", value, false, *into.mutable_header());
  } else if (value.find("{*}") != std::string::npos || value.find("{**}") != std::string::npos) {
    UriTemplateMatchConfig config;
    for (const char c : value)
      if (c != '{' && c != '}') config.mutable_path_template()->push_back(c);
    into.mutable_uri_template()->set_name("uri-template");
    pack(config, *into.mutable_uri_template()->mutable_typed_config());
  } else {
    set_text(value, "", *into.mutable_url_path()->mutable_path());
  }
}

auto* add_part(pb::Principal::Set& set) { return set.add_ids(); }
auto* add_part(pb::Permission::Set& set) { return set.add_rules(); }
auto& any_of(pb::Principal& one) { return *one.mutable_or_ids(); }
auto& any_of(pb::Permission& one) { return *one.mutable_or_rules(); }
auto& negated(pb::Principal& one) { return *one.mutable_not_id(); }
auto& negated(pb::Permission& one) { return *one.mutable_not_rule(); }

template <class Part>
void set_values(std::string_view key, const Values& values, const AccessScope& scope, Part& into) {
  if constexpr (std::is_same_v<Part, pb::Principal>) {
    // Claims that are lists or texts are compared with all values at once, as Istio does.
    if (key == "request.auth.audiences") return set_claim({"aud"}, values, into);
    if (key == "request.auth.presenter") return set_claim({"azp"}, values, into);
    if (key.starts_with("request.auth.claims"))
      return set_claim(bracketed(key, "request.auth.claims"), values, into);
  }
  for (const std::string& value : values) set_value(key, value, scope, *add_part(any_of(into)));
}

// All that is asked of one side of a rule. `whole` turns false where the rule is to be
// left out.
template <class Set>
class Side {
 public:
  Side(const AccessScope& scope, Set& set, bool& whole) : scope_(scope), set_(set), whole_(whole) {}

  void add(std::string_view key, const Values& values, const Values& not_values) {
    if (values.empty() && not_values.empty()) return;
    if (scope_.tcp && needs_http(key)) {
      if (scope_.strict) whole_ = false;
      return;
    }
    if (!values.empty()) set_values(key, values, scope_, *add_part(set_));
    if (!not_values.empty()) set_values(key, not_values, scope_, negated(*add_part(set_)));
  }
  void finish() {
    if (set_.ByteSizeLong() == 0) add_part(set_)->set_any(true);
  }

 private:
  const AccessScope& scope_;
  Set& set_;
  bool& whole_;
};

bool is_about_destination(std::string_view key) {
  return key == "destination.ip" || key == "destination.port" || key == "connection.sni";
}

template <class Set>
void add_conditions(const security::Rule& rule, bool destination, Side<Set>& side) {
  for (const auto& condition : rule.when())
    if (is_about_destination(condition.key()) == destination)
      side.add(condition.key(), condition.values(), condition.not_values());
}

}  // namespace

std::optional<pb::Policy> compile_rule(const security::Rule& rule, const AccessScope& scope) {
  pb::Policy policy;
  bool whole = true;
  const auto source = [&](const security::Source& s) {
    Side side(scope, *policy.add_principals()->mutable_and_ids(), whole);
    side.add("source.principal", s.principals(), s.not_principals());
    side.add("request.auth.principal", s.request_principals(), s.not_request_principals());
    side.add("source.serviceAccount", s.service_accounts(), s.not_service_accounts());
    side.add("source.trustDomain", s.trust_domains(), s.not_trust_domains());
    side.add("source.namespace", s.namespaces(), s.not_namespaces());
    side.add("remote.ip", s.remote_ip_blocks(), s.not_remote_ip_blocks());
    side.add("source.ip", s.ip_blocks(), s.not_ip_blocks());
    add_conditions(rule, false, side);
    side.finish();
  };
  const auto operation = [&](const security::Operation& o) {
    Side side(scope, *policy.add_permissions()->mutable_and_rules(), whole);
    side.add("hosts", o.hosts(), o.not_hosts());
    side.add("methods", o.methods(), o.not_methods());
    side.add("paths", o.paths(), o.not_paths());
    side.add("destination.port", o.ports(), o.not_ports());
    add_conditions(rule, true, side);
    side.finish();
  };
  for (const auto& from : rule.from()) source(from.source());
  if (rule.from().empty()) source({});
  for (const auto& to : rule.to()) operation(to.operation());
  if (rule.to().empty()) operation({});
  if (!whole) return std::nullopt;
  return policy;
}

}  // namespace mesh::discovery

#include "istio/security/v1beta1/authorization_policy.pb.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/validate/validate.h"
#include "config/validate/workload_choice.h"

namespace mesh::config {
namespace {

namespace security = ::istio::security::v1beta1;
using security::AuthorizationPolicy;
using Strings = Checker::Strings;

constexpr int kServiceAccountsMax = 16;  // as Istio
constexpr size_t kServiceAccountBytesMax = 320;
constexpr const char* kDryRun = "istio.io/dry-run";

// What each value of a list must be.
enum class Form : uint8_t { Text, Wildcard, TrustDomain, Account, IpBlock, Port, Path };

// "a", "a*", "*a", "*".
bool is_wildcard(const std::string& value) {
  const auto stars = std::count(value.begin(), value.end(), '*');
  return stars == 0 || (stars == 1 && (value.front() == '*' || value.back() == '*'));
}

bool is_ip_block(const std::string& value) {
  const size_t slash = value.find('/');
  if (slash == std::string::npos) return is_ip_address(value);
  const std::string address = value.substr(0, slash);
  const uint64_t most = address.find(':') == std::string::npos ? 32 : 128;
  return is_ip_address(address) &&
         text::parse_uint(std::string_view(value).substr(slash + 1), most).has_value();
}

bool is_account(const std::string& value) {
  const auto parts = text::split(value, '/');
  return value.size() <= kServiceAccountBytesMax && parts.size() <= 2 &&
         value.find('*') == std::string::npos &&
         std::none_of(parts.begin(), parts.end(), [](auto part) { return part.empty(); });
}

bool is_template(const std::string& path) {
  return path.find("{*}") != std::string::npos || path.find("{**}") != std::string::npos;
}

bool is_path_text(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~%!$&'()+,;:@=").find(c) != std::string_view::npos;
  });
}

void check_path(const std::string& value, const std::string& path, Checker& checker) {
  if (!is_template(value)) {
    checker.expect(value.find_first_of("{}") == std::string::npos, path,
                   "expected {*} or {**}, a segment each, got " + text::quoted(value));
    checker.expect(
        is_wildcard(value), path,
        "expected a path, \"prefix*\", \"*suffix\" or \"*\", got " + text::quoted(value));
    return;
  }
  if (!checker.expect(value.front() == '/', path,
                      "expected a template that begins with /, got " + text::quoted(value)))
    return;
  bool rest = false;
  for (const std::string_view segment : text::split(std::string_view(value).substr(1), '/')) {
    if (rest && !segment.empty())
      return checker.fail(path, "expected {**} at the end, got " + text::quoted(value));
    rest |= segment == "{**}";
    if (segment != "{*}" && segment != "{**}" && !segment.empty() && !is_path_text(segment))
      return checker.fail(path,
                          "expected segments of {*}, {**} or text, got " + text::quoted(value));
  }
}

void check_value(const std::string& value, Form form, const std::string& path, Checker& checker) {
  if (!checker.expect(!value.empty(), path, "expected a value, got \"\"")) return;
  const std::string got = ", got " + text::quoted(value);
  switch (form) {
    case Form::Text: return;
    case Form::Wildcard:
      checker.expect(is_wildcard(value), path,
                     "expected a text, \"prefix*\", \"*suffix\" or \"*\"" + got);
      return;
    case Form::TrustDomain:
      checker.expect(is_wildcard(value) && value.find('/') == std::string::npos, path,
                     "expected a trust domain, with * at most at one end" + got);
      return;
    case Form::Account:
      checker.expect(is_account(value), path,
                     "expected SERVICE-ACCOUNT or NAMESPACE/SERVICE-ACCOUNT" + got);
      return;
    case Form::IpBlock:
      checker.expect(is_ip_block(value), path, "expected an IP address or a CIDR range" + got);
      return;
    case Form::Port:
      checker.expect(text::parse_uint(value, 65535).has_value(), path,
                     "expected a port from 0 to 65535" + got);
      return;
    case Form::Path: check_path(value, path, checker);
  }
}

void check_values(const Strings& values, Form form, const std::string& path, Checker& checker) {
  checker.expect(form != Form::Account || values.size() <= kServiceAccountsMax, path,
                 "expected at most 16");
  for (int i = 0; i < values.size(); ++i) check_value(values[i], form, at_index(path, i), checker);
}

struct List {
  const char* name;
  const Strings& values;
  Form form;
};

// Whether any is set.
template <size_t N>
bool check_lists(const std::array<List, N>& lists, const std::string& path, Checker& checker) {
  bool any = false;
  for (const List& list : lists) {
    any |= !list.values.empty();
    check_values(list.values, list.form, path + "." + list.name, checker);
  }
  return any;
}

// What a rule asks, as far as it matters to connections without HTTP: questions of HTTP are
// left out for these.
struct Uses {
  bool http = false;            // there are such questions
  bool any_source = false;      // an alternative of `from` asks nothing else
  bool any_operation = false;   // one of `to` does
  bool when_source = false;     // conditions that are asked of connections, by who calls
  bool when_operation = false;  // and by what is called
};

void check_source(const security::Source& s, const std::string& path, Checker& checker,
                  Uses& uses) {
  const std::array<List, 14> lists{{
      {"principals", s.principals(), Form::Wildcard},
      {"notPrincipals", s.not_principals(), Form::Wildcard},
      {"requestPrincipals", s.request_principals(), Form::Text},
      {"notRequestPrincipals", s.not_request_principals(), Form::Text},
      {"namespaces", s.namespaces(), Form::Text},
      {"notNamespaces", s.not_namespaces(), Form::Text},
      {"ipBlocks", s.ip_blocks(), Form::IpBlock},
      {"notIpBlocks", s.not_ip_blocks(), Form::IpBlock},
      {"remoteIpBlocks", s.remote_ip_blocks(), Form::IpBlock},
      {"notRemoteIpBlocks", s.not_remote_ip_blocks(), Form::IpBlock},
      {"serviceAccounts", s.service_accounts(), Form::Account},
      {"notServiceAccounts", s.not_service_accounts(), Form::Account},
      {"trustDomains", s.trust_domains(), Form::TrustDomain},
      {"notTrustDomains", s.not_trust_domains(), Form::TrustDomain},
  }};
  checker.expect(check_lists(lists, path, checker), path, "expected at least one field");
  const bool named = s.principals_size() + s.not_principals_size() + s.namespaces_size() +
                         s.not_namespaces_size() >
                     0;
  const bool accounts = s.service_accounts_size() + s.not_service_accounts_size() > 0;
  checker.expect(!named || !accounts, path,
                 "serviceAccounts name their namespace: not together with principals or "
                 "namespaces");
  const auto is_token = [](const List& list) {
    const std::string_view name = list.name;
    return name == "requestPrincipals" || name == "notRequestPrincipals";
  };
  bool any = true;
  for (const List& list : lists) {
    if (list.values.empty()) continue;
    if (is_token(list))
      uses.http = true;
    else
      any = false;
  }
  uses.any_source |= any;
}

void check_operation(const security::Operation& o, const std::string& path, Checker& checker,
                     Uses& uses) {
  const std::array<List, 8> lists{{
      {"hosts", o.hosts(), Form::Wildcard},
      {"notHosts", o.not_hosts(), Form::Wildcard},
      {"ports", o.ports(), Form::Port},
      {"notPorts", o.not_ports(), Form::Port},
      {"methods", o.methods(), Form::Wildcard},
      {"notMethods", o.not_methods(), Form::Wildcard},
      {"paths", o.paths(), Form::Path},
      {"notPaths", o.not_paths(), Form::Path},
  }};
  checker.expect(check_lists(lists, path, checker), path, "expected at least one field");
  uses.any_operation |= o.ports_size() + o.not_ports_size() == 0;
  uses.http |= o.hosts_size() + o.not_hosts_size() + o.methods_size() + o.not_methods_size() +
                   o.paths_size() + o.not_paths_size() >
               0;
}

struct Key {
  std::string_view name;
  Form form;
};
constexpr Key kKeys[] = {
    {"source.ip", Form::IpBlock},
    {"remote.ip", Form::IpBlock},
    {"source.namespace", Form::Text},
    {"source.principal", Form::Wildcard},
    {"source.serviceAccount", Form::Account},
    {"source.trustDomain", Form::TrustDomain},
    {"request.auth.principal", Form::Text},
    {"request.auth.audiences", Form::Wildcard},
    {"request.auth.presenter", Form::Wildcard},
    {"destination.ip", Form::IpBlock},
    {"destination.port", Form::Port},
    {"connection.sni", Form::Wildcard},
};

// NAME[A] or, `nested`, NAME[A][B]...
bool has_brackets(std::string_view key, std::string_view name, bool nested) {
  if (!key.starts_with(name)) return false;
  key.remove_prefix(name.size());
  if (!key.starts_with('[') || !key.ends_with(']') || key.size() < 3) return false;
  if (!nested) return is_field_name(key.substr(1, key.size() - 2));
  while (!key.empty()) {
    const size_t end = key.find(']');
    if (!key.starts_with('[') || end == std::string_view::npos || end < 2) return false;
    if (key.substr(1, end - 1).find('[') != std::string_view::npos) return false;
    key.remove_prefix(end + 1);
  }
  return true;
}

void check_condition(const security::Condition& condition, const std::string& path,
                     Checker& checker) {
  const std::string& key = condition.key();
  const std::string at = path + ".key";
  checker.expect(condition.values_size() + condition.not_values_size() > 0, path,
                 "expected values or notValues");
  Form form = Form::Wildcard;
  if (key.starts_with("request.headers")) {
    checker.expect(has_brackets(key, "request.headers", false), at,
                   "expected request.headers[NAME], got " + text::quoted(key));
  } else if (key.starts_with("request.auth.claims")) {
    checker.expect(has_brackets(key, "request.auth.claims", true), at,
                   "expected request.auth.claims[NAME] or [NAME][NAME], got " + text::quoted(key));
  } else if (key.starts_with("experimental.envoy.filters.")) {
    return checker.fail(at,
                        "not supported: what other filters have found out; use claims of "
                        "tokens or headers");
  } else {
    const auto* const known = std::find_if(std::begin(kKeys), std::end(kKeys),
                                           [&](const Key& k) { return k.name == key; });
    if (known == std::end(kKeys)) {
      std::vector<std::string_view> names{"request.headers[NAME]", "request.auth.claims[NAME]"};
      for (const Key& k : kKeys) names.push_back(k.name);
      const std::string_view nearest = text::nearest(key, names);
      return checker.fail(
          at,
          "unknown attribute " + text::quoted(key) +
              (nearest.empty() ? std::string() : "; did you mean " + std::string(nearest) + "?"));
    }
    form = known->form;
  }
  check_values(condition.values(), form, path + ".values", checker);
  check_values(condition.not_values(), form, path + ".notValues", checker);
}

// As Istio: a CUSTOM policy asks of the connection and the request alone.
void check_custom_rule(const security::Rule& rule, const std::string& path, Checker& checker) {
  const auto refuse = [&](bool is_there, const std::string& at) {
    checker.expect(!is_there, at, "is not for action CUSTOM: its rules do not ask who calls");
  };
  for (int i = 0; i < rule.from_size(); ++i) {
    const security::Source& s = rule.from(i).source();
    const std::string at = at_index(path + ".from", i) + ".source.";
    refuse(s.principals_size() > 0, at + "principals");
    refuse(s.not_principals_size() > 0, at + "notPrincipals");
    refuse(s.request_principals_size() > 0, at + "requestPrincipals");
    refuse(s.not_request_principals_size() > 0, at + "notRequestPrincipals");
    refuse(s.namespaces_size() > 0, at + "namespaces");
    refuse(s.not_namespaces_size() > 0, at + "notNamespaces");
    refuse(s.service_accounts_size() > 0, at + "serviceAccounts");
    refuse(s.not_service_accounts_size() > 0, at + "notServiceAccounts");
    refuse(s.trust_domains_size() > 0, at + "trustDomains");
    refuse(s.not_trust_domains_size() > 0, at + "notTrustDomains");
  }
  for (int i = 0; i < rule.when_size(); ++i) {
    const std::string& key = rule.when(i).key();
    refuse(key == "source.namespace" || key == "source.principal" ||
               key == "source.serviceAccount" || key == "source.trustDomain" ||
               key.starts_with("request.auth."),
           at_index(path + ".when", i) + ".key");
  }
}

void check_custom(const AuthorizationPolicy& policy, Checker& checker) {
  if (policy.action() != AuthorizationPolicy::CUSTOM) {
    checker.expect(!policy.has_provider(), "spec.provider", "is for action CUSTOM alone");
    return;
  }
  checker.expect(!policy.provider().name().empty(), "spec.provider",
                 "expected the name of one of MeshConfig's extensionProviders");
  checker.expect(!policy.rules().empty(), "spec.rules",
                 "CUSTOM without rules never asks; write an empty rule, {}, to ask of everything");
  for (int i = 0; i < policy.rules_size(); ++i)
    check_custom_rule(policy.rules(i), at_index("spec.rules", i), checker);
}

// A DENY rule denies more on ports that do not speak HTTP, unless it names its ports.
void warn_of_connections(const security::Rule& rule, const Uses& uses, const std::string& path,
                         Checker& checker) {
  const bool any_operation = (uses.any_operation || rule.to().empty()) && !uses.when_operation;
  if (!uses.http || !any_operation) return;
  const bool any_source = (uses.any_source || rule.from().empty()) && !uses.when_source;
  checker.warn(path, any_source ? "denies every connection to ports that do not speak HTTP, for it "
                                  "asks for nothing else; name the ports"
                                : "denies every connection of these sources to ports that do not "
                                  "speak HTTP, whatever else it asks for; name the ports");
}

void check_rule(const security::Rule& rule, AuthorizationPolicy::Action action,
                const std::string& path, Checker& checker) {
  Uses uses;
  for (int i = 0; i < rule.from_size(); ++i) {
    const std::string at = at_index(path + ".from", i);
    if (checker.expect(rule.from(i).has_source(), at, "expected source"))
      check_source(rule.from(i).source(), at + ".source", checker, uses);
  }
  for (int i = 0; i < rule.to_size(); ++i) {
    const std::string at = at_index(path + ".to", i);
    if (checker.expect(rule.to(i).has_operation(), at, "expected operation"))
      check_operation(rule.to(i).operation(), at + ".operation", checker, uses);
  }
  for (int i = 0; i < rule.when_size(); ++i) {
    check_condition(rule.when(i), at_index(path + ".when", i), checker);
    const std::string& key = rule.when(i).key();
    const bool operation = key.starts_with("destination.") || key.starts_with("connection.");
    if (key.starts_with("request."))
      uses.http = true;
    else
      (operation ? uses.when_operation : uses.when_source) = true;
  }
  if (action == AuthorizationPolicy::DENY) warn_of_connections(rule, uses, path, checker);
}

}  // namespace

void validate(const AuthorizationPolicy& policy, const v1::Object& object, Checker& checker) {
  check_workloads(policy, checker);
  checker.expect(policy.action() != AuthorizationPolicy::DENY || !policy.rules().empty(),
                 "spec.rules",
                 "DENY without rules never denies; write an empty rule, {}, to deny everything");
  for (int i = 0; i < policy.rules_size(); ++i)
    check_rule(policy.rules(i), policy.action(), at_index("spec.rules", i), checker);
  check_custom(policy, checker);
  const auto dry_run = object.annotations().find(kDryRun);
  if (dry_run == object.annotations().end()) return;
  const std::string at = at_key("metadata.annotations", kDryRun);
  checker.expect(dry_run->second == "true" || dry_run->second == "false", at,
                 "expected \"true\" or \"false\", got " + text::quoted(dry_run->second));
  checker.expect(policy.action() != AuthorizationPolicy::AUDIT, at,
                 "is for ALLOW and DENY alone: AUDIT refuses nothing");
  checker.expect(policy.action() != AuthorizationPolicy::CUSTOM, at,
                 "is for ALLOW and DENY alone: an authorizer is asked, or not");
}

}  // namespace mesh::config

// The Gateway API's routes (gateway-api.sigs.k8s.io, "API specification").
#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "config/validate/validate.h"
#include "k8s/gateway/v1/grpc_route.pb.h"
#include "k8s/gateway/v1/http_route.pb.h"

namespace mesh::config {
namespace {

using namespace ::k8s::gateway::v1;

constexpr std::string_view kGroup = "gateway.networking.k8s.io";
constexpr std::string_view kIstio = "networking.istio.io";

// The API's own limits: what is made of a route grows with the product of some of them.
constexpr int kParentsMax = 32;
constexpr int kHostnamesMax = 16;
constexpr int kRulesMax = 16;
constexpr int kMatchesMax = 64;
constexpr int kListMax = 16;  // backends, filters, edits

template <class List>
void at_most(const List& list, int max, const std::string& path, Checker& checker) {
  checker.expect(
      list.size() <= max, path,
      "expected at most " + std::to_string(max) + ", got " + std::to_string(list.size()));
}

void check_parent(const ParentReference& parent, const std::string& path, Checker& checker) {
  const bool service = parent.kind() == "Service";
  if (service)
    checker.expect(parent.group().empty() || parent.group() == "core", path + ".group",
                   "expected \"\" for a Service, got " + text::quoted(parent.group()));
  else
    checker.expect(
        (parent.kind().empty() || parent.kind() == "Gateway") &&
            (parent.group().empty() || parent.group() == kGroup || parent.group() == kIstio),
        path, "expected a Gateway or a Service, got " + text::quoted(parent.kind()));
  checker.dns_name(path + ".name", parent.name());
  if (!parent.namespace_().empty()) checker.label_name(path + ".namespace", parent.namespace_());
  if (parent.port() != 0) checker.port(path + ".port", parent.port());
  checker.expect(!service || parent.section_name().empty(), path + ".sectionName",
                 "a Service has ports: name one by port");
}

template <class Route>
void check_route(const Route& route, Checker& checker) {
  checker.expect(route.parent_refs_size() > 0, "spec.parentRefs",
                 "expected at least one Gateway or Service");
  at_most(route.parent_refs(), kParentsMax, "spec.parentRefs", checker);
  at_most(route.hostnames(), kHostnamesMax, "spec.hostnames", checker);
  at_most(route.rules(), kRulesMax, "spec.rules", checker);
  for (int i = 0; i < route.rules_size(); ++i) {
    const std::string path = at_index("spec.rules", i);
    at_most(route.rules(i).matches(), kMatchesMax, path + ".matches", checker);
    at_most(route.rules(i).backend_refs(), kListMax, path + ".backendRefs", checker);
    at_most(route.rules(i).filters(), kListMax, path + ".filters", checker);
  }
  for (int i = 0; i < route.parent_refs_size(); ++i)
    check_parent(route.parent_refs(i), at_index("spec.parentRefs", i), checker);
  for (int i = 0; i < route.hostnames_size(); ++i) {
    const std::string path = at_index("spec.hostnames", i);
    checker.expect(route.hostnames(i) != "*", path, "leave hostnames out for every host");
    checker.host(path, route.hostnames(i), true);
  }
  checker.expect(route.rules_size() > 0, "spec.rules", "expected at least one rule");
}

// Headers and parameters: of two for one name only the first would hold.
template <class Matches>
void check_values(const Matches& matches, const std::string& path, bool headers, Checker& checker) {
  std::set<std::string> names;
  for (int i = 0; i < matches.size(); ++i) {
    const auto& match = matches[i];
    const std::string at = at_index(path, i);
    checker.expect(headers ? is_field_name(match.name()) : !match.name().empty(), at + ".name",
                   headers ? "expected the name of a header" : "expected a name");
    const std::string key = headers ? text::to_lower(match.name()) : match.name();
    checker.expect(names.insert(key).second, at + ".name",
                   text::quoted(match.name()) + " is there twice");
    if (match.type() == std::decay_t<decltype(match)>::RegularExpression)
      checker.regex(at + ".value", match.value());
    else
      checker.expect(!match.value().empty() && match.value().size() <= Checker::kPatternBytesMax,
                     at + ".value", "expected a value of 1 to 1024 bytes");
  }
}

void check_path(const HTTPPathMatch& match, const std::string& path, Checker& checker) {
  if (match.type() == HTTPPathMatch::RegularExpression) {
    checker.regex(path + ".value", match.value());
    return;
  }
  const std::string& value = match.value();
  checker.expect(
      value.empty() ||
          (value.starts_with('/') && value.find_first_of("?#") == std::string::npos &&
           value.find("//") == std::string::npos && value.size() <= Checker::kPatternBytesMax),
      path + ".value",
      "expected a path that begins with /, without query or //, got " + text::quoted(value));
}

template <class Reference>
void check_backend(const Reference& backend, const std::string& path, Checker& checker) {
  const bool service = (backend.kind().empty() || backend.kind() == "Service") &&
                       (backend.group().empty() || backend.group() == "core");
  const bool hostname = backend.kind() == "Hostname" && backend.group() == kIstio;
  checker.expect(service || hostname, path,
                 "expected a Service, or a Hostname of networking.istio.io, got " +
                     text::quoted(backend.kind()));
  checker.host(path + ".name", backend.name(), false);
  if (!backend.namespace_().empty()) checker.label_name(path + ".namespace", backend.namespace_());
  checker.port(path + ".port", backend.port());
}

void check_headers(const HTTPHeaderFilter& filter, const std::string& path, Checker& checker) {
  std::map<std::string, std::string> seen;  // and where
  const auto name = [&](const std::string& field, const std::string& at) {
    checker.expect(is_field_name(field) && !text::iequals(field, "host"), at,
                   "expected the name of a header other than host, got " + text::quoted(field));
    const auto [other, fresh] = seen.emplace(text::to_lower(field), at);
    checker.expect(fresh, at, "is also " + other->second);
  };
  const auto values = [&](const auto& list, const std::string& at) {
    for (int i = 0; i < list.size(); ++i) {
      name(list[i].name(), at_index(at, i) + ".name");
      const std::string& value = list[i].value();
      const bool plain = std::all_of(value.begin(), value.end(),
                                     [](char c) { return uint8_t(c) >= 0x20 && c != 0x7f; });
      checker.expect(plain && text::trim(value) == value, at_index(at, i) + ".value",
                     "expected a header's value: one line, no blanks on its ends");
    }
  };
  at_most(filter.set(), kListMax, path + ".set", checker);
  at_most(filter.add(), kListMax, path + ".add", checker);
  at_most(filter.remove(), kListMax, path + ".remove", checker);
  values(filter.set(), path + ".set");
  values(filter.add(), path + ".add");
  for (int i = 0; i < filter.remove_size(); ++i)
    name(filter.remove(i), at_index(path + ".remove", i));
}

void check_mirror(const HTTPRequestMirrorFilter& mirror, const std::string& path,
                  Checker& checker) {
  check_backend(mirror.backend_ref(), path + ".backendRef", checker);
  checker.expect(!mirror.has_percent() || !mirror.has_fraction(), path + ".fraction",
                 "and percent are both there: expected one of them");
  checker.range(path + ".percent", mirror.percent(), 0, 100);
  if (!mirror.has_fraction()) return;
  const auto& fraction = mirror.fraction();
  const int of = fraction.has_denominator() ? fraction.denominator() : 100;
  checker.expect(of > 0 && fraction.numerator() >= 0 && fraction.numerator() <= of,
                 path + ".fraction", "expected numerator from 0 to denominator, which is over 0");
}

// `prefix`: all matches of the rule are by prefix.
void check_modifier(const HTTPPathModifier& modifier, const std::string& path, bool prefix,
                    Checker& checker) {
  const bool whole = modifier.type() == HTTPPathModifier::ReplaceFullPath;
  checker.expect(modifier.type() != HTTPPathModifier::UNSPECIFIED, path + ".type",
                 "expected ReplaceFullPath or ReplacePrefixMatch");
  checker.expect(modifier.has_replace_full_path() == whole, path + ".replaceFullPath",
                 "is for type ReplaceFullPath, which needs it");
  checker.expect(modifier.has_replace_prefix_match() ==
                     (modifier.type() == HTTPPathModifier::ReplacePrefixMatch),
                 path + ".replacePrefixMatch", "is for type ReplacePrefixMatch, which needs it");
  checker.expect(whole || prefix, path + ".type",
                 "ReplacePrefixMatch needs matches by PathPrefix alone");
  const std::string& to = whole ? modifier.replace_full_path() : modifier.replace_prefix_match();
  checker.expect(to.empty() || (to.starts_with('/') && to.find_first_of("?#") == std::string::npos),
                 path, "expected a path that begins with /, got " + text::quoted(to));
  checker.line(path, to);
}

void check_redirect(const HTTPRequestRedirectFilter& redirect, const std::string& path, bool prefix,
                    Checker& checker) {
  constexpr uint32_t kCodes[] = {0, 301, 302, 303, 307, 308};
  checker.expect(
      redirect.scheme().empty() || redirect.scheme() == "http" || redirect.scheme() == "https",
      path + ".scheme", "expected http or https, got " + text::quoted(redirect.scheme()));
  if (!redirect.hostname().empty()) checker.host(path + ".hostname", redirect.hostname(), false);
  if (redirect.port() != 0) checker.port(path + ".port", redirect.port());
  checker.expect(
      std::find(std::begin(kCodes), std::end(kCodes), redirect.status_code()) != std::end(kCodes),
      path + ".statusCode", "expected 301, 302, 303, 307 or 308");
  if (redirect.has_path()) check_modifier(redirect.path(), path + ".path", prefix, checker);
}

void check_cors(const HTTPCORSFilter& cors, const std::string& path, Checker& checker) {
  for (int i = 0; i < cors.allow_origins_size(); ++i) {
    const std::string& origin = cors.allow_origins(i);
    const size_t scheme = origin.find("://");
    const std::string host = scheme == std::string::npos ? "" : origin.substr(scheme + 3);
    checker.expect(origin == "*" || (!host.empty() && host.find('/') == std::string::npos &&
                                     host.find('*', 1) == std::string::npos),
                   at_index(path + ".allowOrigins", i),
                   "expected \"*\" or SCHEME://HOST[:PORT], whose host may begin with *., got " +
                       text::quoted(origin));
  }
  const auto names = [&](const Checker::Strings& list, const std::string& at) {
    for (int i = 0; i < list.size(); ++i)
      checker.expect(list[i] == "*" || is_field_name(list[i]), at_index(at, i),
                     "expected a name, got " + text::quoted(list[i]));
  };
  names(cors.allow_methods(), path + ".allowMethods");
  names(cors.allow_headers(), path + ".allowHeaders");
  names(cors.expose_headers(), path + ".exposeHeaders");
  checker.expect(cors.max_age() >= 0, path + ".maxAge", "expected seconds, 0 or more");
}

// `type` and the field of its name go together.
template <class Filter>
void check_type(const Filter& filter, const std::string& path, std::set<int>& types,
                Checker& checker) {
  if (!checker.expect(filter.type() != 0, path + ".type", "expected the type of the filter"))
    return;
  const std::string name = std::decay_t<decltype(filter)>::Type_Name(filter.type());
  const auto* const type = filter.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const auto* const field = type->field(i);
    if (field->name() == "type") continue;
    const bool own = text::iequals(field->json_name(), name);
    const bool there = filter.GetReflection()->HasField(filter, field);
    checker.expect(own == there, path + "." + field->json_name(),
                   own ? "is needed with type " + name : "is not for type " + name);
  }
  const bool fresh = types.insert(filter.type()).second;
  checker.expect(fresh || name == "RequestMirror", path + ".type", name + " is there twice");
}

template <class Filter>
void check_shared(const Filter& filter, const std::string& path, Checker& checker) {
  if (filter.has_request_header_modifier())
    check_headers(filter.request_header_modifier(), path + ".requestHeaderModifier", checker);
  if (filter.has_response_header_modifier())
    check_headers(filter.response_header_modifier(), path + ".responseHeaderModifier", checker);
  if (filter.has_request_mirror())
    check_mirror(filter.request_mirror(), path + ".requestMirror", checker);
}

void check_session(const SessionPersistence& session, const std::string& path, Checker& checker) {
  constexpr size_t kNameMax = 128;
  const std::string& name = session.session_name();
  checker.expect(name.empty() || (is_field_name(name) && name.size() <= kNameMax),
                 path + ".sessionName",
                 "expected a name of letters, digits and such as - and _, at most 128 bytes, got " +
                     text::quoted(name));
  const bool header = session.type() == SessionPersistence::Header;
  checker.expect(!header || !session.has_cookie_config(), path + ".cookieConfig",
                 "is for type Cookie");
  if (session.has_absolute_timeout())
    checker.duration(path + ".absoluteTimeout", session.absolute_timeout(), false);
  const bool permanent = session.cookie_config().lifetime_type() == CookieConfig::Permanent;
  checker.expect(permanent == session.has_absolute_timeout(), path + ".absoluteTimeout",
                 permanent ? "is needed with lifetimeType Permanent"
                           : "not supported: but for cookies of lifetimeType Permanent");
}

template <class Rule>
void check_backends(const Rule& rule, const std::string& path, Checker& checker) {
  if (rule.has_session_persistence())
    check_session(rule.session_persistence(), path + ".sessionPersistence", checker);
  for (int i = 0; i < rule.backend_refs_size(); ++i) {
    const auto& backend = rule.backend_refs(i);
    const std::string at = at_index(path + ".backendRefs", i);
    check_backend(backend, at, checker);
    checker.range(at + ".weight", backend.weight(), 0, 1'000'000);
    std::set<int> types;
    for (int j = 0; j < backend.filters_size(); ++j) {
      const auto& filter = backend.filters(j);
      const std::string of = at_index(at + ".filters", j);
      check_type(filter, of, types, checker);
      checker.expect(filter.has_request_header_modifier() || filter.has_response_header_modifier(),
                     of,
                     "not supported: of a backend only header modifiers; use the rule's filters");
      check_shared(filter, of, checker);
    }
  }
}

void check_timeouts(const HTTPRouteRule& rule, const std::string& path, Checker& checker) {
  const auto& timeouts = rule.timeouts();
  if (timeouts.has_request())
    checker.duration(path + ".timeouts.request", timeouts.request(), true);
  if (timeouts.has_backend_request())
    checker.duration(path + ".timeouts.backendRequest", timeouts.backend_request(), true);
  const auto millis = [](const google::protobuf::Duration& d) {
    return double(d.seconds()) * 1000 + d.nanos() / 1e6;
  };
  checker.expect(millis(timeouts.request()) <= 0 ||
                     millis(timeouts.backend_request()) <= millis(timeouts.request()),
                 path + ".timeouts.backendRequest", "is longer than request");
  for (int i = 0; i < rule.retry().codes_size(); ++i)
    checker.range(at_index(path + ".retry.codes", i), rule.retry().codes(i), 400, 599);
  checker.range(path + ".retry.attempts", rule.retry().attempts(), 0, 100);
  if (rule.retry().has_backoff())
    checker.duration(path + ".retry.backoff", rule.retry().backoff(), false);
}

void check_rule(const HTTPRouteRule& rule, const std::string& path, Checker& checker) {
  bool prefix = true;
  for (int i = 0; i < rule.matches_size(); ++i) {
    const auto& match = rule.matches(i);
    const std::string at = at_index(path + ".matches", i);
    prefix = prefix && match.path().type() == HTTPPathMatch::PathPrefix;
    check_path(match.path(), at + ".path", checker);
    check_values(match.headers(), at + ".headers", true, checker);
    check_values(match.query_params(), at + ".queryParams", false, checker);
    checker.expect(match.method().empty() || is_field_name(match.method()), at + ".method",
                   "expected a method, got " + text::quoted(match.method()));
  }
  std::set<int> types;
  for (int i = 0; i < rule.filters_size(); ++i) {
    const auto& filter = rule.filters(i);
    const std::string at = at_index(path + ".filters", i);
    check_type(filter, at, types, checker);
    check_shared(filter, at, checker);
    if (filter.has_request_redirect())
      check_redirect(filter.request_redirect(), at + ".requestRedirect", prefix, checker);
    if (filter.has_url_rewrite()) {
      const auto& rewrite = filter.url_rewrite();
      if (!rewrite.hostname().empty())
        checker.host(at + ".urlRewrite.hostname", rewrite.hostname(), false);
      if (rewrite.has_path())
        check_modifier(rewrite.path(), at + ".urlRewrite.path", prefix, checker);
    }
    if (filter.has_cors()) check_cors(filter.cors(), at + ".cors", checker);
  }
  const bool redirects = types.contains(HTTPRouteFilter::RequestRedirect);
  checker.expect(!redirects || !types.contains(HTTPRouteFilter::URLRewrite), path + ".filters",
                 "RequestRedirect and URLRewrite exclude each other");
  checker.expect(!redirects || rule.backend_refs().empty(), path + ".backendRefs",
                 "do nothing with RequestRedirect");
  check_backends(rule, path, checker);
  check_timeouts(rule, path, checker);
}

bool is_grpc_name(const std::string& name, bool dots) {
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (dots && c == '.');
  });
}

void check_method(const GRPCMethodMatch& method, const std::string& path, Checker& checker) {
  checker.expect(!method.service().empty() || !method.method().empty(), path,
                 "expected service, method or both");
  const bool regex = method.type() == GRPCMethodMatch::RegularExpression;
  const auto check = [&](const std::string& name, const std::string& at, bool dots) {
    if (name.empty()) return;
    if (regex)
      checker.regex(at, name);
    else
      checker.expect(is_grpc_name(name, dots), at, "expected a name, got " + text::quoted(name));
  };
  check(method.service(), path + ".service", true);
  check(method.method(), path + ".method", false);
}

}  // namespace

void validate(const HTTPRoute& route, Checker& checker) {
  check_route(route, checker);
  for (int i = 0; i < route.rules_size(); ++i)
    check_rule(route.rules(i), at_index("spec.rules", i), checker);
}

void validate(const GRPCRoute& route, Checker& checker) {
  check_route(route, checker);
  for (int i = 0; i < route.rules_size(); ++i) {
    const auto& rule = route.rules(i);
    const std::string path = at_index("spec.rules", i);
    for (int m = 0; m < rule.matches_size(); ++m) {
      const std::string at = at_index(path + ".matches", m);
      if (rule.matches(m).has_method())
        check_method(rule.matches(m).method(), at + ".method", checker);
      check_values(rule.matches(m).headers(), at + ".headers", true, checker);
    }
    std::set<int> types;
    for (int f = 0; f < rule.filters_size(); ++f) {
      const std::string at = at_index(path + ".filters", f);
      check_type(rule.filters(f), at, types, checker);
      check_shared(rule.filters(f), at, checker);
    }
    check_backends(rule, path, checker);
  }
}

}  // namespace mesh::config

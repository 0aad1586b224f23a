#include "discovery/gateway_api_rules.h"

#include <algorithm>

#include "base/text.h"
#include "discovery/provenance.h"
#include "identity/digest.h"

namespace mesh::discovery {
namespace {

using istio::HTTPMatchRequest;
using istio::StringMatch;
using Headers = istio::Headers::HeaderOperations;

constexpr int kExact = 3;
constexpr int kPrefix = 2;
constexpr int kRegex = 1;
// As Istio's own, which a rule's codes are added to.
constexpr const char* kRetryOn = "connect-failure,refused-stream,unavailable,cancelled";
constexpr int kRetries = 2;

// Values are texts here, and patterns of the access log's format there.
std::string literal(const std::string& value) {
  std::string result;
  for (const char c : value) result.append(c == '%' ? 2 : 1, c);
  return result;
}

std::string quoted_regex(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || uint8_t(c) >= 0x80;
    if (!plain) result += '\\';
    result += c;
  }
  return result;
}

// "/a/" and "/a" are one prefix; "/" is "".
std::string without_slash(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path);
}

void set_headers(const gateway_api::HTTPHeaderFilter& filter, Headers& into) {
  for (const auto& header : filter.set())
    (*into.mutable_set())[header.name()] = literal(header.value());
  for (const auto& header : filter.add())
    (*into.mutable_add())[header.name()] = literal(header.value());
  into.mutable_remove()->MergeFrom(filter.remove());
}

template <class Filter>
void set_header_filters(const Filter& filter, istio::Headers& into) {
  if (filter.has_request_header_modifier())
    set_headers(filter.request_header_modifier(), *into.mutable_request());
  if (filter.has_response_header_modifier())
    set_headers(filter.response_header_modifier(), *into.mutable_response());
}

template <class Match>
StringMatch text_of(const Match& match) {
  StringMatch text;
  if (match.type() == Match::RegularExpression)
    text.set_regex(match.value());
  else
    text.set_exact(match.value());
  return text;
}

// What rules of both kinds have.
class Builder {
 public:
  Builder(const std::string& ns, const ResolveHost& resolve) : ns_(ns), resolve_(resolve) {}

  // A route of the rule's name, with the filters that both kinds have.
  template <class Rule>
  istio::HTTPRoute begin(const std::string& object, const Rule& rule) const {
    istio::HTTPRoute route;
    route.set_name(rule.name().empty() ? object : rule.name());
    for (const auto& filter : rule.filters()) {
      if (filter.has_request_header_modifier() || filter.has_response_header_modifier())
        set_header_filters(filter, *route.mutable_headers());
      if (filter.has_request_mirror()) set_mirror(filter.request_mirror(), route);
    }
    return route;
  }

  // Where nothing may get a request, `status` is the answer.
  template <class Rule>
  void set_backends(const Rule& rule, uint32_t status, istio::HTTPRoute& into) const {
    for (const auto& backend : rule.backend_refs()) {
      const int weight = backend.has_weight() ? backend.weight() : 1;
      if (weight == 0) continue;
      auto& to = *into.add_route();
      set_destination(backend, *to.mutable_destination());
      to.set_weight(weight);
      for (const auto& filter : backend.filters())
        set_header_filters(filter, *to.mutable_headers());
    }
    if (into.route().empty()) into.mutable_direct_response()->set_status(status);
  }

 private:
  template <class Backend>
  void set_destination(const Backend& backend, istio::Destination& into) const {
    into.set_host(
        resolve_(backend.name(), backend.namespace_().empty() ? ns_ : backend.namespace_()));
    if (backend.port() != 0) into.mutable_port()->set_number(backend.port());
  }

  void set_mirror(const gateway_api::HTTPRequestMirrorFilter& mirror,
                  istio::HTTPRoute& into) const {
    auto& to = *into.add_mirrors();
    set_destination(mirror.backend_ref(), *to.mutable_destination());
    if (mirror.has_percent()) {
      to.mutable_percentage()->set_value(mirror.percent());
    } else if (mirror.has_fraction()) {
      const auto& fraction = mirror.fraction();
      const double of = fraction.has_denominator() ? fraction.denominator() : 100;
      to.mutable_percentage()->set_value(100.0 * fraction.numerator() / of);
    }
  }

  const std::string& ns_;
  const ResolveHost& resolve_;
};

template <class Match>
void set_match_headers(const Match& match, HTTPMatchRequest& into) {
  for (const auto& header : match.headers())
    (*into.mutable_headers())[text::to_lower(header.name())] = text_of(header);
}

void set_timeouts(const gateway_api::HTTPRouteRule& rule, istio::HTTPRoute& into) {
  const auto& timeouts = rule.timeouts();
  if (timeouts.has_request()) *into.mutable_timeout() = timeouts.request();
  const bool each =
      timeouts.backend_request().seconds() > 0 || timeouts.backend_request().nanos() > 0;
  if (!rule.has_retry() && !each) return;
  auto& retries = *into.mutable_retries();
  retries.set_attempts(rule.retry().has_attempts() ? rule.retry().attempts() : kRetries);
  if (retries.attempts() == 0) {
    // A single try: its time is the request's.
    if (each && !timeouts.has_request()) *into.mutable_timeout() = timeouts.backend_request();
    return;
  }
  if (each) *retries.mutable_per_try_timeout() = timeouts.backend_request();
  if (rule.retry().has_backoff()) *retries.mutable_backoff() = rule.retry().backoff();
  std::string on = kRetryOn;
  for (const uint32_t code : rule.retry().codes()) on += "," + std::to_string(code);
  retries.set_retry_on(on);
}

void set_cors(const gateway_api::HTTPCORSFilter& filter, istio::CorsPolicy& into) {
  for (const auto& origin : filter.allow_origins()) {
    const size_t star = origin == "*" ? std::string::npos : origin.find('*');
    if (star == std::string::npos)
      into.add_allow_origins()->set_exact(origin);
    else
      into.add_allow_origins()->set_regex(quoted_regex(origin.substr(0, star)) + ".+" +
                                          quoted_regex(origin.substr(star + 1)));
  }
  *into.mutable_allow_methods() = filter.allow_methods();
  *into.mutable_allow_headers() = filter.allow_headers();
  *into.mutable_expose_headers() = filter.expose_headers();
  into.mutable_max_age()->set_seconds(filter.max_age() == 0 ? 5 : filter.max_age());
  if (filter.allow_credentials()) into.mutable_allow_credentials()->set_value(true);
}

void set_redirect(const gateway_api::HTTPRequestRedirectFilter& filter, istio::HTTPRedirect& into) {
  into.set_scheme(filter.scheme());
  into.set_authority(filter.hostname());
  into.set_redirect_code(filter.status_code() == 0 ? 302 : filter.status_code());
  if (filter.port() != 0)
    into.set_port(filter.port());
  else if (!filter.scheme().empty())
    into.set_derive_port(istio::HTTPRedirect::FROM_PROTOCOL_DEFAULT);
  else if (!filter.hostname().empty())
    into.set_derive_port(istio::HTTPRedirect::FROM_REQUEST_PORT);
}

// The path that a filter puts in the place of the whole, or of the prefix that matched.
struct NewPath {
  const gateway_api::HTTPPathModifier* modifier = nullptr;
  bool replaces_prefix() const {
    return modifier != nullptr &&
           modifier->type() == gateway_api::HTTPPathModifier::ReplacePrefixMatch;
  }
};

NewPath new_path(const gateway_api::HTTPRouteRule& rule) {
  NewPath path;
  for (const auto& filter : rule.filters()) {
    if (filter.request_redirect().has_path()) path.modifier = &filter.request_redirect().path();
    if (filter.url_rewrite().has_path()) path.modifier = &filter.url_rewrite().path();
  }
  return path;
}

// `to` in the place of what the match has as its path.
void set_new_path(const std::string& to, bool whole, istio::HTTPRoute& route) {
  const std::string path = to.empty() ? "/" : to;
  if (route.has_redirect()) {
    if (whole)
      route.mutable_redirect()->set_uri(path);
    else
      route.mutable_redirect()->set_prefix_rewrite(path);
  } else if (whole) {
    auto& regex = *route.mutable_rewrite()->mutable_uri_regex_rewrite();
    regex.set_match("^/.*$");
    std::string text;
    for (const char c : path) text.append(c == '\\' ? 2 : 1, c);
    regex.set_rewrite(text);
  } else {
    route.mutable_rewrite()->set_uri(path);
  }
}

istio::HTTPRoute http_route(const Object<gateway_api::HTTPRoute>& object,
                            const gateway_api::HTTPRouteRule& rule, const Builder& builder) {
  istio::HTTPRoute route = builder.begin(object.name, rule);
  for (const auto& filter : rule.filters()) {
    if (filter.has_request_redirect())
      set_redirect(filter.request_redirect(), *route.mutable_redirect());
    if (!filter.url_rewrite().hostname().empty())
      route.mutable_rewrite()->set_authority(filter.url_rewrite().hostname());
    if (filter.has_cors()) set_cors(filter.cors(), *route.mutable_cors_policy());
  }
  if (!route.has_redirect()) {
    builder.set_backends(rule, 500, route);
    if (!route.has_direct_response()) set_timeouts(rule, route);
  }
  return route;
}

// Without its path.
HTTPMatchRequest match_of(const gateway_api::HTTPRouteMatch& match) {
  HTTPMatchRequest result;
  set_match_headers(match, result);
  for (const auto& param : match.query_params())
    (*result.mutable_query_params())[param.name()] = text_of(param);
  if (!match.method().empty()) result.mutable_method()->set_exact(match.method());
  return result;
}

// The routes of one match: its path in the forms that a VirtualService has, with the path
// that each is given.
std::vector<istio::HTTPRoute> with_paths(const istio::HTTPRoute& route,
                                         const gateway_api::HTTPRouteMatch& match,
                                         const NewPath& path) {
  using Path = gateway_api::HTTPPathMatch;
  const HTTPMatchRequest base = match_of(match);
  const std::string value = match.path().value().empty() ? "/" : match.path().value();
  const std::string prefix = without_slash(value);
  std::vector<istio::HTTPRoute> result{route};
  if (path.modifier != nullptr && !path.replaces_prefix())
    set_new_path(path.modifier->replace_full_path(), true, result[0]);
  HTTPMatchRequest& first = *result[0].add_match();
  first = base;
  if (match.path().type() == Path::Exact) {
    first.mutable_uri()->set_exact(value);
  } else if (match.path().type() == Path::RegularExpression) {
    first.mutable_uri()->set_regex(value);
  } else {
    // Whole elements: what is below, and the path itself.
    first.mutable_uri()->set_prefix(prefix + "/");
    const std::string to =
        without_slash(path.replaces_prefix() ? path.modifier->replace_prefix_match() : "");
    if (path.replaces_prefix()) set_new_path(to + "/", false, result[0]);
    if (prefix.empty()) return result;
    HTTPMatchRequest itself = base;
    itself.mutable_uri()->set_exact(prefix);
    if (!path.replaces_prefix()) {
      *result[0].add_match() = std::move(itself);
      return result;
    }
    result.push_back(route);
    set_new_path(to, false, result[1]);
    *result[1].add_match() = std::move(itself);
  }
  return result;
}

GatewayApiRule::Rank rank_of(const gateway_api::HTTPRouteMatch& match) {
  using Path = gateway_api::HTTPPathMatch;
  const auto type = match.path().type();
  const int path = type == Path::Exact               ? kExact
                   : type == Path::RegularExpression ? kRegex
                                                     : kPrefix;
  const std::string value =
      path == kPrefix ? without_slash(match.path().value()) : match.path().value();
  return {.path = path,
          .length = value.size(),
          .method = !match.method().empty(),
          .headers = match.headers_size(),
          .params = match.query_params_size()};
}

// The path of calls: /SERVICE/METHOD.
StringMatch grpc_path(const gateway_api::GRPCMethodMatch& method) {
  StringMatch path;
  if (method.type() == gateway_api::GRPCMethodMatch::RegularExpression) {
    const auto part = [](const std::string& text) {
      return text.empty() ? std::string("[^/]+") : "(?:" + text + ")";
    };
    path.set_regex("/" + part(method.service()) + "/" + part(method.method()));
  } else if (method.service().empty()) {
    path.set_regex("/[^/]+/" + quoted_regex(method.method()));
  } else if (method.method().empty()) {
    path.set_prefix("/" + method.service() + "/");
  } else {
    path.set_exact("/" + method.service() + "/" + method.method());
  }
  return path;
}

using Session = v1::ServicePolicy::StickySession;

// Each rule has a cookie of its own where none is named, as it has endpoints of its own.
std::shared_ptr<const Session> session_of(const gateway_api::SessionPersistence& from,
                                          const std::string& rule) {
  auto session = std::make_shared<Session>();
  if (from.type() == gateway_api::SessionPersistence::Header) {
    session->set_header(from.session_name().empty() ? "x-mesh-session" : from.session_name());
    return session;
  }
  auto& cookie = *session->mutable_cookie();
  cookie.set_name(from.session_name());
  if (cookie.name().empty())
    cookie.set_name("mesh-session-" + text::to_hex(identity::sha256(rule)).substr(0, 8));
  if (from.has_absolute_timeout()) *cookie.mutable_ttl() = from.absolute_timeout();
  return session;
}

template <class Route>
RuleOrigin origin_of_rule(const char* kind, const Object<Route>& object, int rule, int match,
                          size_t matches) {
  RuleOrigin origin;
  origin.rule = origin_of(kind, object.ns, object.name, "rules[" + std::to_string(rule) + "]");
  if (const auto& spec = object.spec.rules(rule); spec.has_session_persistence())
    origin.session = session_of(spec.session_persistence(), origin.rule);
  const std::string of_match =
      match < 0 ? origin.rule : origin.rule + ".matches[" + std::to_string(match) + "]";
  origin.matches.assign(matches, of_match);
  return origin;
}

}  // namespace

std::vector<GatewayApiRule> rules_of(const Object<gateway_api::HTTPRoute>& object,
                                     const ResolveHost& resolve) {
  const Builder builder(object.ns, resolve);
  std::vector<GatewayApiRule> rules;
  for (int i = 0; i < object.spec.rules_size(); ++i) {
    const auto& rule = object.spec.rules(i);
    const istio::HTTPRoute route = http_route(object, rule, builder);
    const NewPath path = new_path(rule);
    const auto add = [&](const gateway_api::HTTPRouteMatch& match, int index) {
      auto routes = with_paths(route, match, path);
      RuleOrigin origin = origin_of_rule("HTTPRoute", object, i, index, 2);
      origin.unknown_backend_is_500 = true;
      rules.push_back(
          {.rank = rank_of(match), .routes = std::move(routes), .origin = std::move(origin)});
    };
    for (int m = 0; m < rule.matches_size(); ++m) add(rule.matches(m), m);
    if (rule.matches().empty()) add({}, -1);
  }
  return rules;
}

std::vector<GatewayApiRule> rules_of(const Object<gateway_api::GRPCRoute>& object,
                                     const ResolveHost& resolve) {
  const Builder builder(object.ns, resolve);
  std::vector<GatewayApiRule> rules;
  for (int i = 0; i < object.spec.rules_size(); ++i) {
    const auto& rule = object.spec.rules(i);
    istio::HTTPRoute route = builder.begin(object.name, rule);
    builder.set_backends(rule, 503, route);  // UNAVAILABLE to a gRPC client
    const auto add = [&](const gateway_api::GRPCRouteMatch& match, int index) {
      GatewayApiRule one;
      one.routes.push_back(route);
      HTTPMatchRequest& to = *one.routes[0].add_match();
      set_match_headers(match, to);
      if (!match.method().service().empty() || !match.method().method().empty())
        *to.mutable_uri() = grpc_path(match.method());
      else
        to.mutable_uri()->set_prefix("/");
      one.rank = {.path = to.uri().has_exact()   ? kExact
                          : to.uri().has_regex() ? kRegex
                                                 : kPrefix,
                  .length = match.method().service().size() + match.method().method().size(),
                  .headers = match.headers_size()};
      one.origin = origin_of_rule("GRPCRoute", object, i, index, 1);
      rules.push_back(std::move(one));
    };
    for (int m = 0; m < rule.matches_size(); ++m) add(rule.matches(m), m);
    if (rule.matches().empty()) add({}, -1);
  }
  return rules;
}

}  // namespace mesh::discovery

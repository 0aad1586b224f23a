#include "config/validate/http_route.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "config/authority.h"
#include "config/claim_path.h"
#include "config/grpc_status.h"
#include "route/text_match.h"
#include "telemetry/access_log.h"

namespace mesh::config {

using namespace ::istio::networking::v1alpha3;

void check_text(const StringMatch& match, const std::string& path, Checker& checker) {
  const std::string& text = match.has_exact()    ? match.exact()
                            : match.has_prefix() ? match.prefix()
                                                 : match.regex();
  if (match.has_regex() && !text.empty()) {
    checker.regex(path, text);
    return;
  }
  checker.expect(!text.empty() || match.has_exact(), path,
                 "expected exact, prefix or regex, not empty");
  checker.expect(text.size() <= Checker::kPatternBytesMax, path,
                 "longer than " + std::to_string(Checker::kPatternBytesMax) + " bytes");
}

namespace {

constexpr size_t kStatPrefixMax = 256;
constexpr size_t kEditsMax = 500;  // a route may have those of its only destination too

template <class Map>
void check_fields(const Map& fields, const std::string& path, Checker& checker) {
  for (const auto& [name, match] : fields) {
    if (is_claim(name)) {
      checker.expect(claim_path(name).has_value(), at_key(path, name),
                     "expected @request.auth.claims[NAME], [NAME][NAME] of a claim within one, or "
                     "the name of a header");
      check_text(match, at_key(path, name), checker);
      continue;
    }
    checker.expect(is_field_name(name), at_key(path, name), "expected the name of a header");
    if (match.match_type_case() != StringMatch::MATCH_TYPE_NOT_SET)
      check_text(match, at_key(path, name), checker);
  }
}

bool is_retry_condition(std::string_view word) {
  constexpr std::string_view kKnown[] = {
      "5xx",
      "gateway-error",
      "reset",
      "reset-before-request",
      "connect-failure",
      "refused-stream",
      "retriable-4xx",
      "retriable-status-codes",
      "envoy-ratelimited",
      "cancelled",
      "deadline-exceeded",
      "internal",
      "resource-exhausted",
      "unavailable",
  };
  if (std::find(std::begin(kKnown), std::end(kKnown), word) != std::end(kKnown)) return true;
  const auto status = text::parse_uint(word, 599);
  return status && *status >= 100;
}

bool is_refused_condition(std::string_view word) {
  // There is no HTTP/3, and a VirtualService has no field for the headers.
  constexpr std::string_view kRefused[] = {"retriable-headers", "http3-post-connect-failure"};
  return std::find(std::begin(kRefused), std::end(kRefused), word) != std::end(kRefused);
}

void check_operations(const Headers::HeaderOperations& operations, const std::string& path,
                      bool request, Checker& checker) {
  checker.expect(
      operations.set().size() + operations.add().size() + size_t(operations.remove_size()) <=
          kEditsMax,
      path, "expected at most " + std::to_string(kEditsMax) + " edits");
  const auto name = [&](const std::string& at, const std::string& field, bool host) {
    if (host && is_authority(field)) return;
    if (field.starts_with(":") || text::iequals(field, "host"))
      checker.fail(at,
                   "not supported: edits of " + field + "; use rewrite.authority or rewrite.uri");
    else
      checker.expect(is_field_name(field), at, "expected the name of a header");
  };
  const auto fields = [&](const Checker::Labels& map, const std::string& at) {
    for (const auto& [key, value] : map) {
      name(at_key(at, key), key, request);  // the authority is rewritten (Istio)
      const bool plain = std::all_of(value.begin(), value.end(),
                                     [](char c) { return uint8_t(c) >= 0x20 && c != 0x7f; });
      checker.expect(plain && text::trim(value) == value, at_key(at, key),
                     "expected a header's value: one line, no blanks on its ends");
      if (value.find('%') == std::string::npos) continue;
      const auto format =
          telemetry::AccessFormat::parse(value, telemetry::AccessFormat::Use::Header);
      if (!format) checker.fail(at_key(at, key), format.error().text);
    }
  };
  fields(operations.set(), path + ".set");
  fields(operations.add(), path + ".add");
  for (int i = 0; i < operations.remove_size(); ++i)
    name(at_index(path + ".remove", i), operations.remove(i), false);
}

// Where it is given twice, one of both would do nothing (Istio refuses it too).
void check_authority(const Headers::HeaderOperations& operations, const std::string& path,
                     bool given, Checker& checker) {
  const auto check = [&](const Checker::Labels& map, const std::string& at) {
    for (const auto& [key, value] : std::map<std::string, std::string>(map.begin(), map.end())) {
      if (!is_authority(key)) continue;
      checker.expect(!given, at_key(at, key), "the authority is given twice: expected one of them");
      given = true;
    }
  };
  check(operations.set(), path + ".set");
  check(operations.add(), path + ".add");
}

}  // namespace

void check_match(const HTTPMatchRequest& match, const std::string& path, Checker& checker) {
  if (match.has_uri()) {
    check_text(match.uri(), path + ".uri", checker);
    const std::string& text = match.uri().has_exact() ? match.uri().exact() : match.uri().prefix();
    checker.expect(match.uri().has_regex() || text.starts_with('/'), path + ".uri",
                   "expected a path that begins with /");
    if (!match.uri().has_regex() && text.find_first_of("?#") != std::string::npos)
      checker.warn(path + ".uri",
                   "holds for no request: paths are matched without what follows ? or #; "
                   "parameters have queryParams");
    checker.expect(!match.uri().has_regex() || !match.ignore_uri_case(), path + ".ignoreUriCase",
                   "holds for exact and prefix; begin the regex with (?i)");
  }
  if (match.has_scheme()) check_text(match.scheme(), path + ".scheme", checker);
  if (match.has_method()) check_text(match.method(), path + ".method", checker);
  if (match.has_authority()) check_text(match.authority(), path + ".authority", checker);
  check_fields(match.headers(), path + ".headers", checker);
  check_fields(match.without_headers(), path + ".withoutHeaders", checker);
  for (const auto& [name, value] : match.query_params()) {
    const std::string at = at_key(path + ".queryParams", name);
    checker.expect(!name.empty(), at, "expected a name");
    if (value.match_type_case() != StringMatch::MATCH_TYPE_NOT_SET) check_text(value, at, checker);
  }
  if (match.port() != 0) checker.port(path + ".port", match.port());
  checker.expect(match.stat_prefix().size() <= kStatPrefixMax, path + ".statPrefix",
                 "expected at most 256 bytes");
  checker.labels(path + ".sourceLabels", match.source_labels());
  checker.gateways(path + ".gateways", match.gateways());
  if (!match.source_namespace().empty())
    checker.label_name(path + ".sourceNamespace", match.source_namespace());
}

void check_retries(const HTTPRetry& retries, const std::string& path, Checker& checker) {
  checker.range(path + ".attempts", retries.attempts(), 0, 100);
  checker.expect(retries.attempts() != 0 || (!retries.has_per_try_timeout() &&
                                             retries.retry_on().empty() && !retries.has_backoff()),
                 path, "attempts is 0, so the other fields do nothing");
  if (retries.has_per_try_timeout())
    checker.duration(path + ".perTryTimeout", retries.per_try_timeout(), false);
  if (retries.has_backoff()) checker.duration(path + ".backoff", retries.backoff(), false);
  if (retries.retry_on().empty()) return;
  for (const auto piece : text::split(retries.retry_on(), ',')) {
    const std::string_view word = text::trim(piece);
    if (is_retry_condition(word)) continue;
    checker.fail(
        path + ".retryOn",
        is_refused_condition(word)
            ? "not supported: " + std::string(word) + "; use status codes, 5xx or reset"
            : "expected conditions such as 5xx,reset,connect-failure or status codes, got " +
                  text::quoted(word));
  }
}

void check_fault(const HTTPFaultInjection& fault, const std::string& path, Checker& checker) {
  checker.expect(fault.has_delay() || fault.has_abort(), path, "expected delay or abort");
  if (fault.has_delay()) {
    const auto& delay = fault.delay();
    if (delay.has_fixed_delay())
      checker.duration(path + ".delay.fixedDelay", delay.fixed_delay(), false);
    else
      checker.fail(path + ".delay.fixedDelay", "expected a duration");
    checker.expect(delay.percent() == 0 || !delay.has_percentage(), path + ".delay.percent",
                   "and percentage are both there: expected the latter");
    checker.range(path + ".delay.percent", delay.percent(), 0, 100);
    checker.range(path + ".delay.percentage", delay.percentage().value(), 0, 100);
  }
  if (!fault.has_abort()) return;
  const auto& abort = fault.abort();
  const std::string at = path + ".abort";
  checker.expect(abort.error_type_case() != HTTPFaultInjection::Abort::ERROR_TYPE_NOT_SET, at,
                 "expected httpStatus or grpcStatus");
  if (abort.has_http_status()) checker.range(at + ".httpStatus", abort.http_status(), 200, 599);
  if (abort.has_grpc_status())
    checker.expect(
        grpc_status(abort.grpc_status()).has_value(), at + ".grpcStatus",
        "expected a gRPC status such as UNAVAILABLE, got " + text::quoted(abort.grpc_status()));
  checker.range(at + ".percentage", abort.percentage().value(), 0, 100);
}

void check_redirect(const HTTPRedirect& redirect, const std::string& path, Checker& checker) {
  constexpr uint32_t kCodes[] = {0, 301, 302, 303, 307, 308};
  checker.expect(
      std::find(std::begin(kCodes), std::end(kCodes), redirect.redirect_code()) != std::end(kCodes),
      path + ".redirectCode", "expected 301, 302, 303, 307 or 308");
  checker.expect(redirect.uri().empty() || redirect.uri().starts_with('/'), path + ".uri",
                 "expected a path that begins with /");
  checker.line(path + ".uri", redirect.uri());
  checker.line(path + ".prefixRewrite", redirect.prefix_rewrite());
  checker.line(path + ".authority", redirect.authority());
  checker.expect(redirect.prefix_rewrite().empty() || redirect.uri().empty(),
                 path + ".prefixRewrite", "and uri are both there: expected one of them");
  checker.expect(redirect.prefix_rewrite().empty() || redirect.prefix_rewrite().starts_with('/'),
                 path + ".prefixRewrite", "expected a path that begins with /");
  checker.expect(
      redirect.scheme().empty() || redirect.scheme() == "http" || redirect.scheme() == "https",
      path + ".scheme", "expected http or https, got " + text::quoted(redirect.scheme()));
  if (redirect.has_port()) checker.port(path + ".port", redirect.port());
  checker.expect(!redirect.uri().empty() || !redirect.authority().empty() ||
                     !redirect.scheme().empty() || !redirect.prefix_rewrite().empty() ||
                     redirect.redirect_port_case() != HTTPRedirect::REDIRECT_PORT_NOT_SET,
                 path, "expected uri, prefixRewrite, authority, scheme, port or derivePort");
}

void check_cors(const CorsPolicy& policy, const std::string& path, Checker& checker) {
  checker.expect(policy.allow_origin().empty() || policy.allow_origins().empty(),
                 path + ".allowOrigin", "and allowOrigins are both there: expected the latter");
  for (int i = 0; i < policy.allow_origins_size(); ++i)
    check_text(policy.allow_origins(i), at_index(path + ".allowOrigins", i), checker);
  const auto names = [&](const Checker::Strings& list, const std::string& at) {
    for (int i = 0; i < list.size(); ++i)
      checker.expect(is_field_name(list[i]), at_index(at, i),
                     "expected a name, got " + text::quoted(list[i]));
  };
  names(policy.allow_methods(), path + ".allowMethods");
  names(policy.allow_headers(), path + ".allowHeaders");
  names(policy.expose_headers(), path + ".exposeHeaders");
  if (!policy.has_max_age()) return;
  checker.expect(policy.max_age().nanos() == 0 && policy.max_age().seconds() >= 0, path + ".maxAge",
                 "expected whole seconds");
}

void check_rewrite(const HTTPRewrite& rewrite, const std::string& path, Checker& checker) {
  checker.expect(
      !rewrite.uri().empty() || !rewrite.authority().empty() || rewrite.has_uri_regex_rewrite(),
      path, "expected uri, uriRegexRewrite or authority");
  checker.line(path + ".uri", rewrite.uri());
  checker.line(path + ".authority", rewrite.authority());
  if (!rewrite.has_uri_regex_rewrite()) return;
  const std::string at = path + ".uriRegexRewrite";
  checker.expect(rewrite.uri().empty(), at, "and uri are both there: expected one of them");
  const std::string& match = rewrite.uri_regex_rewrite().match();
  if (!checker.regex(at + ".match", match)) return;
  checker.line(at + ".rewrite", rewrite.uri_regex_rewrite().rewrite());
  const auto whole = route::Substitution::compile(match, rewrite.uri_regex_rewrite().rewrite());
  if (!whole) checker.fail(at + ".rewrite", whole.error().text);
}

void check_headers(const Headers& headers, const std::string& path, bool rewritten,
                   Checker& checker) {
  check_operations(headers.request(), path + ".request", true, checker);
  check_authority(headers.request(), path + ".request", rewritten, checker);
  check_operations(headers.response(), path + ".response", false, checker);
}

}  // namespace mesh::config

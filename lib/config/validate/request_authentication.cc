#include "istio/security/v1beta1/request_authentication.pb.h"

#include <algorithm>

#include "base/text.h"
#include "config/validate/validate.h"
#include "config/validate/workload_choice.h"
#include "identity/jwks.h"

namespace mesh::config {
namespace {

namespace security = ::istio::security::v1beta1;

constexpr int kRulesMax = 32;
constexpr int kPlacesMax = 16;  // of tokens, of one rule

void header(const std::string& path, const std::string& name, Checker& checker) {
  checker.expect(is_field_name(name), path,
                 "expected the name of a header, got " + text::quoted(name));
}

void check_places(const security::JWTRule& rule, const std::string& path, Checker& checker) {
  for (int i = 0; i < rule.from_headers_size(); ++i)
    header(at_index(path + ".fromHeaders", i) + ".name", rule.from_headers(i).name(), checker);
  for (int i = 0; i < rule.from_params_size(); ++i)
    checker.expect(!rule.from_params(i).empty(), at_index(path + ".fromParams", i),
                   "expected the name of a parameter");
  for (int i = 0; i < rule.from_cookies_size(); ++i)
    checker.expect(is_field_name(rule.from_cookies(i)), at_index(path + ".fromCookies", i),
                   "expected the name of a cookie, got " + text::quoted(rule.from_cookies(i)));
  checker.expect(
      rule.from_headers_size() + rule.from_params_size() + rule.from_cookies_size() <= kPlacesMax,
      path, "expected at most 16 places of tokens");
}

void check_outputs(const security::JWTRule& rule, const std::string& path, Checker& checker) {
  if (!rule.output_payload_to_header().empty())
    header(path + ".outputPayloadToHeader", rule.output_payload_to_header(), checker);
  for (int i = 0; i < rule.output_claim_to_headers_size(); ++i) {
    const auto& output = rule.output_claim_to_headers(i);
    const std::string at = at_index(path + ".outputClaimToHeaders", i);
    header(at + ".header", output.header(), checker);
    checker.expect(!output.claim().empty(), at + ".claim", "expected the name of a claim");
  }
}

bool is_url(std::string_view text) {
  for (const std::string_view scheme : {"https://", "http://"})
    if (text.starts_with(scheme)) {
      text.remove_prefix(scheme.size());
      const std::string_view authority = text.substr(0, text.find_first_of("/?#"));
      return !authority.empty() && authority.find('@') == std::string_view::npos &&
             std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
    }
  return false;
}

void check_keys(const security::JWTRule& rule, const std::string& path, Checker& checker) {
  const std::string& uri = rule.jwks_uri();
  if (!rule.jwks().empty()) {
    const auto keys = identity::Jwks::parse(rule.jwks());
    if (!keys) checker.fail(path + ".jwks", "expected a set of keys: " + keys.error().text);
    if (!uri.empty()) checker.warn(path + ".jwksUri", "is not asked: jwks has the keys");
  } else if (!uri.empty()) {
    checker.expect(is_url(uri), path + ".jwksUri",
                   "expected http://HOST... or https://HOST..., got " + text::quoted(uri));
  } else {
    checker.expect(is_url(rule.issuer()), path,
                   "expected jwks or jwksUri: the issuer is no URL that could be asked for them");
  }
  if (rule.has_timeout()) {
    checker.duration(path + ".timeout", rule.timeout(), false);
    checker.expect(rule.timeout().seconds() <= 60, path + ".timeout", "expected at most 60s");
  }
}

void check_rule(const security::JWTRule& rule, const std::string& path, Checker& checker) {
  checker.expect(!rule.issuer().empty(), path + ".issuer", "expected the issuer of the tokens");
  for (int i = 0; i < rule.audiences_size(); ++i)
    checker.expect(!rule.audiences(i).empty(), at_index(path + ".audiences", i),
                   "expected an audience, got \"\"");
  check_keys(rule, path, checker);
  check_places(rule, path, checker);
  check_outputs(rule, path, checker);
}

}  // namespace

void validate(const security::RequestAuthentication& policy, Checker& checker) {
  check_workloads(policy, checker);
  checker.expect(policy.jwt_rules_size() <= kRulesMax, "spec.jwtRules", "expected at most 32");
  for (int i = 0; i < policy.jwt_rules_size(); ++i)
    check_rule(policy.jwt_rules(i), at_index("spec.jwtRules", i), checker);
}

}  // namespace mesh::config

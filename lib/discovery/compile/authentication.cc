#include "discovery/compile/authentication.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "discovery/compile/build.h"
#include "discovery/fetched_keys.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/jwt_authn.pb.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::extensions::filters::http::jwt_authn::v3;
using istio_security::JWTRule;

// Stands for keys that have not been fetched yet: one whose private half nobody has. Its
// x is the SHA-256 of "no keys have been fetched 1", which is on the curve.
constexpr const char* kNoKeys =
    R"({"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"none-fetched",)"
    R"("x":"i1jgo2IRjL6xjDAz9W-B1OG3K37W6M41RLX1nJ0DdIw",)"
    R"("y":"Uii5X9rPgQ7e9Tt6SHNVU2Nd0myyzR4n7bCgifViyzc"}]})";

// Of all policies that name the workload, in the order of their issuers.
std::vector<const JWTRule*> rules_for(const Model& model, const PolicyTarget& target) {
  std::vector<const JWTRule*> rules;
  for (const auto& policy : model.objects().request_authentications) {
    if (!is_about(model, policy, target)) continue;
    for (const JWTRule& rule : policy.spec.jwt_rules()) rules.push_back(&rule);
  }
  std::stable_sort(rules.begin(), rules.end(),
                   [](const JWTRule* a, const JWTRule* b) { return a->issuer() < b->issuer(); });
  return rules;
}

// The keys that are known, of the rule itself or as they were fetched.
const std::string& keys_of(const Model& model, const JWTRule& rule) {
  static const std::string none = kNoKeys;
  const std::string source = key_source(rule);
  if (source.empty()) return rule.jwks();
  const auto& fetched = model.options().token_keys;
  if (fetched == nullptr) return none;
  const auto found = fetched->find(source);
  return found == fetched->end() ? none : found->second;
}

pb::JwtProvider provider_of(const Model& model, const JWTRule& rule) {
  pb::JwtProvider provider;
  provider.set_issuer(rule.issuer());
  *provider.mutable_audiences() = rule.audiences();
  provider.mutable_local_jwks()->set_inline_string(keys_of(model, rule));
  provider.set_forward(rule.forward_original_token());
  provider.set_forward_payload_header(text::to_lower(rule.output_payload_to_header()));
  provider.set_payload_in_metadata(kJwtPayload);
  std::set<std::string> lists{"permission", "scope"};
  lists.insert(rule.space_delimited_claims().begin(), rule.space_delimited_claims().end());
  for (const std::string& claim : lists)
    provider.mutable_normalize_payload_in_metadata()->add_space_delimited_claims(claim);
  for (const auto& output : rule.output_claim_to_headers()) {
    auto& header = *provider.add_claim_to_headers();
    header.set_header_name(text::to_lower(output.header()));
    header.set_claim_name(output.claim());
  }
  for (const auto& from : rule.from_headers()) {
    auto& header = *provider.add_from_headers();
    header.set_name(text::to_lower(from.name()));
    header.set_value_prefix(from.prefix());
  }
  *provider.mutable_from_params() = rule.from_params();
  *provider.mutable_from_cookies() = rule.from_cookies();
  return provider;
}

void set_or_missing(const std::string& provider, pb::JwtRequirement& into) {
  auto& any = *into.mutable_requires_any();
  any.add_requirements()->set_provider_name(provider);
  any.add_requirements()->mutable_allow_missing();
}

}  // namespace

void add_authentication(const Model& model, const PolicyTarget& target, bool reroutes,
                        HttpManager& manager) {
  const auto rules = rules_for(model, target);
  if (rules.empty()) return;
  pb::JwtAuthentication filter;
  filter.set_bypass_cors_preflight(true);
  auto& rule = *filter.add_rules();
  rule.mutable_match()->set_prefix("/");
  const auto name = [](size_t i) { return "origins-" + std::to_string(i); };
  for (size_t i = 0; i < rules.size(); ++i) {
    auto& provider = (*filter.mutable_providers())[name(i)];
    provider = provider_of(model, *rules[i]);
    provider.set_clear_route_cache(reroutes);
  }
  if (rules.size() == 1) {
    set_or_missing(name(0), *rule.mutable_requires_());
  } else {
    // A token that one of them finds good, or none anywhere that is bad.
    auto& any = *rule.mutable_requires_()->mutable_requires_any();
    for (size_t i = 0; i < rules.size(); ++i) any.add_requirements()->set_provider_name(name(i));
    auto& all = *any.add_requirements()->mutable_requires_all();
    for (size_t i = 0; i < rules.size(); ++i) set_or_missing(name(i), *all.add_requirements());
  }
  auto& added = *manager.add_http_filters();
  added.set_name(kJwtFilter);
  pack(filter, *added.mutable_typed_config());
}

}  // namespace mesh::discovery

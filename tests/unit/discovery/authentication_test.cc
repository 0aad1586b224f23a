// RequestAuthentication as the filter of tokens has it.
#include <catch2/catch.hpp>

#include "discovery/fetched_keys.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"
#include "xds/jwt_authn.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;
using Kind = xds::JwtRequirement::Kind;

const std::string kKeys =
    "'{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": "
    "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}'";

std::string policy(const std::string& name, const std::string& spec) {
  return "\n---\napiVersion: security.istio.io/v1beta1\nkind: RequestAuthentication\nmetadata: "
         "{name: " +
         name + ", namespace: demo}\nspec: {" + spec + "}\n";
}

std::string rule(const std::string& issuer, const std::string& more = "") {
  return "{issuer: " + issuer + ", jwks: " + kKeys + (more.empty() ? "" : ", ") + more + "}";
}

// The filters of the port, in order, by their types' last words.
std::vector<xds::HttpFilter> filters(const std::string& yaml) {
  for (const auto& r : compile_listeners(*sample::model(yaml), sample::node("ratings-1"))) {
    if (!r.name.ends_with("|80")) continue;
    const auto listener = xds::decode_listener(*r.body);
    if (!listener) FAIL(listener.error().text);
    return (*listener)->filter_chains[0].http_filters;
  }
  FAIL("no inbound listener");
  return {};
}

}  // namespace

TEST_CASE("authentication: one issuer", "[discovery]") {
  const auto all = filters(
      sample::kAll +
      policy("a", "jwtRules: [" +
                      rule("i",
                           "audiences: [a], fromHeaders: [{name: X-Token, prefix: \"T \"}], "
                           "outputPayloadToHeader: X-P, outputClaimToHeaders: [{header: X-C, "
                           "claim: a.b}], spaceDelimitedClaims: [roles]") +
                      "]") +
      "\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, "
      "namespace: demo}\nspec: {}\n");
  REQUIRE(all.size() >= 2);
  // Tokens are read before policies ask for them.
  CHECK(all[0].name == "envoy.filters.http.jwt_authn");
  CHECK(all[1].name == "envoy.filters.http.rbac/allow");
  const auto* const jwt = route::value_of<xds::JwtAuthn>(all[0].config.get());
  REQUIRE(jwt != nullptr);
  CHECK(jwt->bypass_cors_preflight);
  REQUIRE(jwt->providers.size() == 1);
  const xds::JwtProvider& provider = jwt->providers[0];
  CHECK(provider.name == "origins-0");
  CHECK(provider.issuer == "i");
  CHECK(provider.audiences == std::vector<std::string>{"a"});
  CHECK(provider.from_headers[0].name == "x-token");
  CHECK(provider.from_headers[0].prefix == "T ");
  CHECK(provider.from_params.empty());
  CHECK_FALSE(provider.forward);
  CHECK(provider.payload_name == "payload");
  CHECK(provider.payload_header == "x-p");
  CHECK(provider.claim_headers[0].path == std::vector<std::string>{"a", "b"});
  CHECK(provider.space_delimited_claims ==
        std::vector<std::string>{"permission", "roles", "scope"});
  REQUIRE(jwt->rules.size() == 1);
  CHECK(jwt->rules[0].requirement.kind == Kind::Any);
  CHECK(jwt->rules[0].requirement.parts[1].kind == Kind::AllowMissing);
  CHECK(jwt->rules[0].requirement.parts[1].beside == std::vector<uint32_t>{0});
}

TEST_CASE("authentication: issuers of several policies, in their order", "[discovery]") {
  const auto all =
      filters(sample::kAll + policy("a", "jwtRules: [" + rule("z") + "]") +
              policy("b", "selector: {matchLabels: {app: ratings}}, jwtRules: [" +
                              rule("y", "forwardOriginalToken: true") + "]") +
              policy("c", "selector: {matchLabels: {app: web}}, jwtRules: [" + rule("x") + "]"));
  const auto* const jwt = route::value_of<xds::JwtAuthn>(all[0].config.get());
  REQUIRE(jwt != nullptr);
  REQUIRE(jwt->providers.size() == 2);
  CHECK(jwt->providers[0].issuer == "y");
  CHECK(jwt->providers[0].forward);
  CHECK(jwt->providers[1].issuer == "z");
  CHECK(jwt->providers[1].from_headers[0].prefix == "Bearer ");
  CHECK(jwt->providers[1].from_params == std::vector<std::string>{"access_token"});
  const auto& parts = jwt->rules[0].requirement.parts;
  REQUIRE(parts.size() == 3);
  CHECK(parts[2].kind == Kind::All);
  CHECK(parts[2].parts[1].parts[1].beside == std::vector<uint32_t>{1});
}

TEST_CASE("authentication: keys that are fetched, and those that nobody has", "[discovery]") {
  const std::string yaml =
      sample::kAll + policy("a", "jwtRules: [{issuer: i, jwksUri: \"http://i/keys\"}]");
  const auto keys_with = [&](const Model::Options& options) {
    const auto model = sample::model(yaml, {}, options);
    for (const auto& r : compile_listeners(*model, sample::node("ratings-1"))) {
      if (!r.name.ends_with("|80")) continue;
      const auto listener = xds::decode_listener(*r.body);
      if (!listener) FAIL(listener.error().text);
      const auto* const jwt = route::value_of<xds::JwtAuthn>(
          (*listener)->filter_chains[0].http_filters[0].config.get());
      REQUIRE(jwt != nullptr);
      return jwt->providers[0].keys.keys();
    }
    FAIL("no inbound listener");
    return std::vector<identity::Jwks::Key>();
  };
  const auto none = keys_with({});
  REQUIRE(none.size() == 1);
  CHECK(none[0].id == "none-fetched");
  Model::Options options;
  options.token_keys = std::make_shared<const KeySets>(
      KeySets{{"http://i/keys", R"({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": )"
                                R"("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})"}});
  CHECK(keys_with(options)[0].id == "a");
}

TEST_CASE("authentication: a policy without rules adds nothing", "[discovery]") {
  const auto all = filters(sample::kAll + policy("a", ""));
  for (const auto& filter : all) CHECK(filter.name != "envoy.filters.http.jwt_authn");
}

#include <algorithm>
#include <map>

#include "base/text.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/jwt_authn.pb.h"
#include "http/syntax.h"
#include "route/match.h"
#include "xds/decode_common.h"
#include "xds/decode_filter.h"
#include "xds/decode_route.h"
#include "xds/jwt_authn.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::extensions::filters::http::jwt_authn::v3;
using Kind = JwtRequirement::Kind;

constexpr std::string_view kType = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication";
constexpr size_t kProvidersMax = 64;
constexpr int kRulesMax = 1000;
constexpr int kRequirementDepthMax = 8;
constexpr int kPlacesMax = 16;  // of tokens, of one provider
constexpr uint32_t kCacheSizeMax = 100'000;
constexpr uint32_t kCachedTokenBytesMax = 16 * 1024;

Result<std::string> header_name(const std::string& name, const std::string& path) {
  std::string lower = text::to_lower(name);
  if (!http::valid_token(lower)) return refuse(path, "is not the name of a header");
  return lower;
}

Result<identity::Jwks> decode_keys(const pb::JwtProvider& from, const std::string& path) {
  if (!from.has_local_jwks()) return refuse(path_of(path, "local_jwks"), "is missing");
  const std::string at = path_of(path, "local_jwks");
  MESH_TRY(const PemSource source, decode_source(from.local_jwks(), at, false));
  auto keys = identity::Jwks::parse(source.text);
  if (!keys) return refuse(at, keys.error().text);
  return keys;
}

Result<void> decode_places(const pb::JwtProvider& from, const std::string& path,
                           JwtProvider& into) {
  for (int i = 0; i < from.from_headers_size(); ++i) {
    const std::string at = path_of(path, "from_headers", i);
    MESH_TRY(auto name, header_name(from.from_headers(i).name(), path_of(at, "name")));
    into.from_headers.push_back({std::move(name), from.from_headers(i).value_prefix()});
  }
  into.from_params.assign(from.from_params().begin(), from.from_params().end());
  into.from_cookies.assign(from.from_cookies().begin(), from.from_cookies().end());
  const size_t count =
      into.from_headers.size() + into.from_params.size() + into.from_cookies.size();
  if (count > size_t(kPlacesMax)) return refuse(path, "over 16 places of tokens");
  if (count > 0) return {};
  into.from_headers.push_back({"authorization", "Bearer "});
  into.from_params.emplace_back("access_token");
  return {};
}

Result<JwtProvider> decode_provider(const std::string& name, const pb::JwtProvider& from,
                                    const std::string& path) {
  JwtProvider result;
  result.name = name;
  result.issuer = from.issuer();
  result.audiences.assign(from.audiences().begin(), from.audiences().end());
  MESH_TRY(result.keys, decode_keys(from, path));
  MESH_TRY_VOID(decode_places(from, path, result));
  result.forward = from.forward();
  if (!from.forward_payload_header().empty()) {
    MESH_TRY(result.payload_header,
             header_name(from.forward_payload_header(), path_of(path, "forward_payload_header")));
  }
  result.pad_payload_header = from.pad_forward_payload_header();
  result.payload_name = from.payload_in_metadata();
  result.clear_route_cache = from.clear_route_cache();
  const auto& listed = from.normalize_payload_in_metadata().space_delimited_claims();
  result.space_delimited_claims.assign(listed.begin(), listed.end());
  for (int i = 0; i < from.claim_to_headers_size(); ++i) {
    const auto& claim = from.claim_to_headers(i);
    const std::string at = path_of(path, "claim_to_headers", i);
    if (claim.claim_name().empty()) return refuse(path_of(at, "claim_name"), "is empty");
    JwtProvider::ClaimHeader header;
    MESH_TRY(header.name, header_name(claim.header_name(), path_of(at, "header_name")));
    for (const auto part : text::split(claim.claim_name(), '.')) header.path.emplace_back(part);
    result.claim_headers.push_back(std::move(header));
  }
  if (from.clock_skew_seconds() > 0)
    result.clock_skew = std::chrono::seconds(from.clock_skew_seconds());
  return result;
}

class Requirements {
 public:
  Requirements(const pb::JwtAuthentication& from, const std::vector<JwtProvider>& providers)
      : from_(from), providers_(providers) {
    for (uint32_t i = 0; i < providers.size(); ++i) all_.push_back(i);
  }

  Result<JwtRequirement> decode(const pb::JwtRequirement& from, const std::string& path) const {
    return decode(from, path, all_, 0);
  }

 private:
  using Indices = std::vector<uint32_t>;

  Result<uint32_t> provider(const std::string& name, const std::string& path) const {
    for (uint32_t i = 0; i < providers_.size(); ++i)
      if (providers_[i].name == name) return i;
    return refuse(path, "there is no provider " + text::quoted(name));
  }

  Result<JwtRequirement> decode(const pb::JwtRequirement& from, const std::string& path,
                                const Indices& beside, int depth) const {
    JwtRequirement result;
    if (depth > kRequirementDepthMax) return refuse(path, "nested too deep");
    switch (from.requires_type_case()) {
      case pb::JwtRequirement::kProviderName: {
        MESH_TRY(result.provider, provider(from.provider_name(), path_of(path, "provider_name")));
        return result;
      }
      case pb::JwtRequirement::kProviderAndAudiences: {
        const auto& both = from.provider_and_audiences();
        MESH_TRY(result.provider,
                 provider(both.provider_name(), path_of(path, "provider_and_audiences")));
        result.audiences.assign(both.audiences().begin(), both.audiences().end());
        return result;
      }
      case pb::JwtRequirement::kRequiresAny:
        return group(Kind::Any, from.requires_any().requirements(), path_of(path, "requires_any"),
                     depth);
      case pb::JwtRequirement::kRequiresAll:
        return group(Kind::All, from.requires_all().requirements(), path_of(path, "requires_all"),
                     depth);
      case pb::JwtRequirement::kAllowMissing:
      case pb::JwtRequirement::kAllowMissingOrFailed:
        result.kind = from.has_allow_missing() ? Kind::AllowMissing : Kind::AllowMissingOrFailed;
        result.beside = beside;
        return result;
      default: return refuse(path, "expected a requirement");
    }
  }

  template <class Parts>
  Result<JwtRequirement> group(Kind kind, const Parts& parts, const std::string& path,
                               int depth) const {
    if (parts.size() < 2) return refuse(path_of(path, "requirements"), "are two at least");
    JwtRequirement result;
    result.kind = kind;
    Indices beside;
    for (const auto& part : parts) {
      const std::string& name = part.has_provider_and_audiences()
                                    ? part.provider_and_audiences().provider_name()
                                    : part.provider_name();
      if (name.empty()) continue;
      MESH_TRY(const uint32_t index, provider(name, path));
      beside.push_back(index);
    }
    if (beside.empty()) beside = all_;
    for (int i = 0; i < parts.size(); ++i) {
      MESH_TRY(auto part, decode(parts[i], path_of(path, "requirements", i), beside, depth + 1));
      result.parts.push_back(std::move(part));
    }
    return result;
  }

  const pb::JwtAuthentication& from_;
  const std::vector<JwtProvider>& providers_;
  Indices all_;
};

Result<JwtRule> decode_rule(const pb::JwtAuthentication& all, const pb::RequirementRule& from,
                            const Requirements& requirements, const std::string& path) {
  JwtRule rule;
  const std::string at = path_of(path, "match");
  MESH_TRY(rule.match, decode_match(from.match(), at));
  if (!rule.match.claims.empty())
    return refuse(path_of(at, "dynamic_metadata"), "nothing is known of tokens before");
  if (auto compiled = route::compile(rule.match); !compiled)
    return refuse(at, compiled.error().text);
  const pb::JwtRequirement* wanted = from.has_requires_() ? &from.requires_() : nullptr;
  if (!from.requirement_name().empty()) {
    const auto found = all.requirement_map().find(from.requirement_name());
    if (found == all.requirement_map().end())
      return refuse(path_of(path, "requirement_name"), "is not in requirement_map");
    wanted = &found->second;
  }
  // An empty requirement is none (Envoy).
  if (wanted == nullptr ||
      wanted->requires_type_case() == pb::JwtRequirement::REQUIRES_TYPE_NOT_SET)
    return rule;
  rule.required = true;
  MESH_TRY(rule.requirement, requirements.decode(*wanted, path_of(path, "requires")));
  return rule;
}

Result<JwtAuthn> decode_chain(const pb::JwtAuthentication& from, std::string_view path) {
  JwtAuthn result;
  if (from.providers().size() > kProvidersMax) return refuse(path_of(path, "providers"), "over 64");
  if (from.rules_size() > kRulesMax) return refuse(path_of(path, "rules"), "over 1000");
  std::map<std::string, const pb::JwtProvider*> sorted;
  for (const auto& [name, provider] : from.providers()) sorted.emplace(name, &provider);
  for (const auto& [name, provider] : sorted) {
    const std::string at = path_of(path, "providers[" + name + "]");
    MESH_TRY(auto made, decode_provider(name, *provider, at));
    result.providers.push_back(std::move(made));
    const auto& cache = provider->jwt_cache_config();
    result.cache_size = std::max(result.cache_size, cache.jwt_cache_size());
    result.cached_token_bytes_max =
        std::max(result.cached_token_bytes_max, cache.jwt_max_token_size());
  }
  result.cache_size = std::min(result.cache_size, kCacheSizeMax);
  result.cached_token_bytes_max = std::min(result.cached_token_bytes_max, kCachedTokenBytesMax);
  const Requirements requirements(from, result.providers);
  for (int i = 0; i < from.rules_size(); ++i) {
    MESH_TRY(auto rule, decode_rule(from, from.rules(i), requirements, path_of(path, "rules", i)));
    result.rules.push_back(std::move(rule));
  }
  result.bypass_cors_preflight = from.bypass_cors_preflight();
  return result;
}

}  // namespace

Result<FilterConfigPtr> decode_jwt_authn(const google::protobuf::Any& any, std::string_view path,
                                         FilterLevel level) {
  if (level == FilterLevel::Route) {
    MESH_TRY(const auto route, unpack<pb::PerRouteConfig>(any, path));
    if (!route.disabled()) return refuse(path_of(path, "disabled"), "is true where it is set");
    return route::make_filter_config(kType, JwtAuthn{});
  }
  MESH_TRY(const auto from, unpack<pb::JwtAuthentication>(any, path));
  MESH_TRY(auto result, decode_chain(from, path));
  result.digest = std::hash<std::string>{}(any.value());
  return route::make_filter_config(kType, std::move(result));
}

}  // namespace mesh::xds

#include "replay/tokens.h"

#include <algorithm>

#include "route/cors.h"
#include "route/match.h"

namespace mesh::replay {
namespace {

using Kind = xds::JwtRequirement::Kind;

bool has_field(const Call& call, std::string_view name) {
  return std::any_of(call.fields.begin(), call.fields.end(),
                     [&](const auto& field) { return field.first == name; });
}

// Whether there may be a token where the filter looks for them: values of such fields are
// not kept, and of a head that was too long not all names.
bool carries(const Call& call, const xds::JwtAuthn& filter) {
  if (call.cut) return true;
  const auto query = route::split_query(call.path).second;
  return std::any_of(
      filter.providers.begin(), filter.providers.end(), [&](const xds::JwtProvider& from) {
        return std::any_of(from.from_headers.begin(), from.from_headers.end(),
                           [&](const auto& header) { return has_field(call, header.name); }) ||
               std::any_of(
                   from.from_params.begin(), from.from_params.end(),
                   [&](const auto& name) { return route::query_value(query, name).has_value(); }) ||
               (!from.from_cookies.empty() && has_field(call, "cookie"));
      });
}

bool passes_without(const xds::JwtRequirement& wanted) {
  switch (wanted.kind) {
    case Kind::Provider: return false;
    case Kind::All: return std::all_of(wanted.parts.begin(), wanted.parts.end(), passes_without);
    case Kind::Any: return std::any_of(wanted.parts.begin(), wanted.parts.end(), passes_without);
    case Kind::AllowMissing:
    case Kind::AllowMissingOrFailed: return true;
  }
  return false;
}

void clean(const xds::JwtAuthn& filter, http::Fields& fields) {
  for (const auto& provider : filter.providers) {
    if (!provider.payload_header.empty()) fields.remove(provider.payload_header);
    for (const auto& header : provider.claim_headers) fields.remove(header.name);
  }
}

// `value` at `path` of `object`; what is there already has it.
void insert(json::Value& object, std::span<const std::string> path, const json::Value& value) {
  json::Value* at = &object;
  for (size_t i = 0; i < path.size(); ++i) {
    if (!at->is_object()) return;
    const auto found = std::find(at->names.begin(), at->names.end(), path[i]);
    if (found != at->names.end()) {
      at = &at->items[size_t(found - at->names.begin())];
      continue;
    }
    at->names.push_back(path[i]);
    const bool last = i + 1 == path.size();
    at->items.push_back(last ? value : json::Value{.kind = json::Value::Kind::Object});
    at = &at->items.back();
  }
}

}  // namespace

std::string Tokens::judge(const xds::JwtAuthn& filter, const route::Request& request,
                          http::Fields& fields) {
  clean(filter, fields);
  if (filter.bypass_cors_preflight && route::is_preflight(request)) return {};
  const auto [path, query] = route::split_query(request.path);
  const auto rule = std::find_if(filter.rules.begin(), filter.rules.end(),
                                 [&, path = path, query = query](const xds::JwtRule& one) {
                                   return route::holds(one.match, request, path, query);
                                 });
  if (rule == filter.rules.end() || !rule->required) return {};
  if (!carries(call_, filter)) {
    if (passes_without(rule->requirement)) return {};
    return std::string(xds::kJwtDenied) + "{Jwt_is_missing}";
  }
  judge_ = filter.digest;
  if (call_.tokens == Call::Tokens::Refused) return std::string(xds::kJwtDenied);
  if (call_.tokens == Call::Tokens::None) return {};
  for (const xds::JwtProvider& provider : filter.providers)
    if (!provider.payload_name.empty() &&
        std::find(names_.begin(), names_.end(), provider.payload_name) == names_.end())
      names_.push_back(provider.payload_name);
  build();
  for (const xds::JwtProvider& provider : filter.providers) {
    for (const auto& header : provider.claim_headers) {
      std::vector<std::string> claim{provider.payload_name};
      claim.insert(claim.end(), header.path.begin(), header.path.end());
      unknown_header_ = unknown_header_ || !known(claim);
      if (auto text = route::claim_header(route::find_claim(claims_, claim)))
        fields.set(header.name, values_.emplace_back(*std::move(text)));
    }
  }
  return {};
}

void Tokens::build() {
  claims_.clear();
  for (const std::string& name : names_) {
    json::Value& payload = payloads_.emplace_back();
    payload.kind = json::Value::Kind::Object;
    for (const Call::Claim& claim : call_.claims)
      if (claim.value && claim.path.size() > 1 && claim.path.front() == name)
        insert(payload, std::span(claim.path).subspan(1), *claim.value);
    claims_.push_back({.name = name, .payload = &payload, .missed = &missed_});
  }
}

// Kept, or part of something that was.
bool Tokens::known(const std::vector<std::string>& path) const {
  return std::any_of(call_.claims.begin(), call_.claims.end(), [&](const Call::Claim& claim) {
    return claim.path.size() <= path.size() &&
           std::equal(claim.path.begin(), claim.path.end(), path.begin());
  });
}

bool Tokens::unknown() const {
  return unknown_header_ || !std::all_of(missed_.begin(), missed_.end(),
                                         [this](const auto& path) { return known(path); });
}

}  // namespace mesh::replay

#include "route/cors.h"

namespace mesh::route {
namespace {

bool has(const http::Fields& fields, std::string_view name) {
  const auto value = fields.get(name);
  return value && !value->empty();
}

}  // namespace

const TextMatch* granted_by(const CorsPolicy& policy, std::string_view origin) {
  for (const TextMatch& match : policy.allow_origins)
    if (holds(match, "*") || holds(match, origin)) return &match;
  return nullptr;
}

bool is_preflight(const Request& request) {
  return request.method == "OPTIONS" && has(*request.fields, "origin") &&
         has(*request.fields, "access-control-request-method");
}

bool answers_preflight(const CorsPolicy& policy, const TextMatch* granted) {
  return granted != nullptr || !policy.forward_not_matching_preflights.value_or(true);
}

}  // namespace mesh::route

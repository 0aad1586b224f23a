#include "forward/filter/cors.h"

#include "base/check.h"
#include "resilience/fault.h"

namespace mesh::forward::filter {
namespace {

// "*" stands for what was asked for.
void grant(http::Fields& answer, std::string_view name, std::string_view allowed,
           const http::Fields& request, std::string_view asked) {
  if (allowed.empty()) return;
  if (allowed == "*") allowed = request.get(asked).value_or(std::string_view());
  answer.set(name, allowed);
}

}  // namespace

std::shared_ptr<const Filter> Cors::make(std::shared_ptr<const route::FilterConfig> config) {
  const auto* const policy = route::value_of<route::CorsPolicy>(config.get());
  MESH_CHECK(policy != nullptr);
  if (policy->enabled && policy->enabled->per_million == 0) return nullptr;
  return std::make_shared<const Cors>(std::move(config), *policy);
}

bool Cors::allowed(std::string_view origin) const {
  for (const route::TextMatch& match : policy_.allow_origins)
    if (holds(match, "*") || holds(match, origin)) return true;
  return false;
}

Verdict Cors::on_request(Context& context, Slot& slot) const {
  if (policy_.enabled && !resilience::holds(*policy_.enabled, context.random)) return {};
  const http::Fields& fields = context.head.fields;
  const auto origin = fields.get("origin");
  if (!origin || origin->empty()) return {};
  const bool good = allowed(*origin);
  if (good) slot = {reinterpret_cast<uintptr_t>(origin->data()), origin->size()};

  if (context.head.method != "OPTIONS") return {};
  const auto method = fields.get("access-control-request-method");
  if (!method || method->empty()) return {};
  if (!good && policy_.forward_not_matching_preflights.value_or(true)) return {};
  http::Fields& answer = context.answer;
  if (good) answer.set("access-control-allow-origin", *origin);
  if (policy_.allow_credentials.value_or(false))
    answer.set("access-control-allow-credentials", "true");
  grant(answer, "access-control-allow-methods", policy_.allow_methods, fields,
        "access-control-request-method");
  grant(answer, "access-control-allow-headers", policy_.allow_headers, fields,
        "access-control-request-headers");
  if (!policy_.max_age.empty()) answer.set("access-control-max-age", policy_.max_age);
  if (policy_.allow_private_network_access.value_or(false) &&
      fields.get("access-control-request-private-network") == std::string_view("true"))
    answer.set("access-control-allow-private-network", "true");
  Verdict verdict;
  verdict.status = 200;
  verdict.details = "cors_response";
  return verdict;
}

// The head's views stay as they are for as long as the request is there, so the origin is
// the one that was judged, whatever edits made of the field.
void Cors::on_response(Context&, Slot& slot, http::ResponseHead& head) const {
  if (slot[0] == 0) return;
  const std::string_view origin(reinterpret_cast<const char*>(uintptr_t(slot[0])), size_t(slot[1]));
  head.fields.set("access-control-allow-origin", origin);
  if (policy_.allow_credentials.value_or(false))
    head.fields.set("access-control-allow-credentials", "true");
  if (!policy_.expose_headers.empty())
    head.fields.set("access-control-expose-headers", policy_.expose_headers);
}

}  // namespace mesh::forward::filter

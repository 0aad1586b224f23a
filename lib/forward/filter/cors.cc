#include "forward/filter/cors.h"

#include "base/check.h"
#include "resilience/fault.h"
#include "route/cors.h"

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

Verdict Cors::on_request(Context& context, Slot& slot) const {
  if (policy_.enabled && !resilience::holds(*policy_.enabled, context.random)) return {};
  const http::Fields& fields = context.head.fields;
  const auto origin = fields.get("origin");
  if (!origin || origin->empty()) return {};
  const route::TextMatch* const good = route::granted_by(policy_, *origin);
  if (good != nullptr) slot = {reinterpret_cast<uintptr_t>(origin->data()), origin->size()};

  if (!route::is_preflight({.method = context.head.method, .fields = &fields}) ||
      !route::answers_preflight(policy_, good))
    return {};
  http::Fields& answer = context.answer;
  if (good != nullptr) answer.set("access-control-allow-origin", *origin);
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

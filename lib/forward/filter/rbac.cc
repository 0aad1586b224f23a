#include "forward/filter/rbac.h"

namespace mesh::forward::filter {

std::string_view judge(const authz::Rbac& config, const authz::Request& request, RbacCounts& counts,
                       std::vector<authz::ShadowVerdict>* shadow) {
  if (config.shadow != nullptr) {
    const authz::Decision found = config.shadow->decide(request);
    counts.counts.add(found.allowed ? RbacCounts::ShadowAllowed : RbacCounts::ShadowDenied);
    if (shadow != nullptr)
      shadow->push_back({.prefix = config.shadow_stat_prefix,
                         .policy = found.policy == authz::Decision::kNone
                                       ? std::string_view()
                                       : std::string_view(config.shadow->name(found.policy)),
                         .allowed = found.allowed});
  }
  if (config.rules == nullptr) return {};
  const authz::Decision decision = config.rules->decide(request);
  const bool log = config.rules->action() == authz::Action::Log;
  if (log && decision.policy != authz::Decision::kNone) counts.counts.add(RbacCounts::Logged);
  counts.counts.add(decision.allowed ? RbacCounts::Allowed : RbacCounts::Denied);
  return decision.allowed ? std::string_view() : config.rules->details(decision);
}

std::shared_ptr<const Filter> RbacFilter::make(std::shared_ptr<const authz::Rbac> config,
                                               std::shared_ptr<RbacCounts> counts) {
  if (config->rules == nullptr && config->shadow == nullptr) return nullptr;
  unsigned used = kRequest | kConnection | kGuard;
  for (const authz::Rules* rules : {config->rules.get(), config->shadow.get()})
    if (rules != nullptr && rules->uses_remote()) used |= kRemoteIp;
  return std::make_shared<RbacFilter>(std::move(config), std::move(counts), used);
}

Verdict RbacFilter::on_request(Context& context, Slot&) const {
  const http::RequestHead& head = context.head;
  const route::Request http{.authority = head.authority,
                            .method = head.method,
                            .scheme = head.scheme,
                            .path = head.path,
                            .fields = &head.fields};
  const authz::Request request{.connection = *context.connection,
                               .http = &http,
                               .remote = context.remote_ip,
                               .claims = *context.claims};
  const std::string_view details = judge(*config_, request, *counts_, context.shadow);
  if (details.empty()) return {};
  return {.status = 403, .details = details, .body = "RBAC: access denied"};
}

}  // namespace mesh::forward::filter

#include <algorithm>
#include <array>

#include "base/text.h"
#include "forward/filter/adaptive_concurrency.h"
#include "forward/filter/circuit_breaker.h"
#include "forward/filter/cors.h"
#include "forward/filter/ext_authz.h"
#include "forward/filter/fault.h"
#include "forward/filter/jwt_authn.h"
#include "forward/filter/local_ratelimit.h"
#include "forward/filter/pipeline.h"
#include "forward/filter/rbac.h"
#include "forward/filter/stateful_session.h"
#include "route/on_demand.h"

namespace mesh::forward::filter {
namespace {

using Made = Result<std::shared_ptr<const Filter>>;
using Config = std::shared_ptr<const route::FilterConfig>;

struct Known {
  std::string_view type;  // FilterConfig::type
  Made (*make)(const Config& config, const std::string& key, Shared& shared);
};

Made make_adaptive_concurrency(const Config& config, const std::string& key, Shared& shared) {
  const auto* const rule = route::value_of<resilience::AdaptiveRule>(config.get());
  MESH_CHECK(rule != nullptr);
  return AdaptiveConcurrency::make(*rule, shared.adaptive(key));
}

Made make_circuit_breaker(const Config& config, const std::string&, Shared& shared) {
  const auto* const rules = route::value_of<resilience::BreakerRules>(config.get());
  MESH_CHECK(rules != nullptr);
  return CircuitBreaker::make({config, rules}, shared);
}

Made make_ext_authz(const Config& config, const std::string& key, Shared& shared) {
  const auto* const authorizer = route::value_of<authz::ExtAuthz>(config.get());
  MESH_CHECK(authorizer != nullptr);
  return ExtAuthzFilter::make({config, authorizer}, shared.ext_authz(key));
}

Made make_fault(const Config& config, const std::string&, Shared&) { return Fault::make(config); }

Made make_cors(const Config& config, const std::string&, Shared&) { return Cors::make(config); }

Made make_local_ratelimit(const Config& config, const std::string& key, Shared& shared) {
  const auto* const limit = route::value_of<route::LocalRateLimit>(config.get());
  MESH_CHECK(limit != nullptr);
  return LocalRateLimit::make({config, limit}, shared.rate_limit(key, *limit));
}

Made make_jwt_authn(const Config& config, const std::string& key, Shared& shared) {
  const auto* const jwt = route::value_of<xds::JwtAuthn>(config.get());
  MESH_CHECK(jwt != nullptr);
  return JwtAuthnFilter::make({config, jwt}, shared.jwt(key));
}

// The exchange itself asks for hosts, before any filter runs.
Made make_on_demand(const Config&, const std::string&, Shared&) {
  return std::shared_ptr<const Filter>();
}

Made make_rbac(const Config& config, const std::string& key, Shared& shared) {
  const auto* const rbac = route::value_of<authz::Rbac>(config.get());
  MESH_CHECK(rbac != nullptr);
  return RbacFilter::make({config, rbac}, shared.rbac(key, *rbac));
}

Made make_stateful_session(const Config& config, const std::string&, Shared&) {
  const auto* const session = route::value_of<route::StatefulSession>(config.get());
  MESH_CHECK(session != nullptr);
  if (session->by == route::StatefulSession::By::Nothing) return std::shared_ptr<const Filter>();
  return std::shared_ptr<const Filter>(std::make_shared<StatefulSessionFilter>(*session));
}

// One row a filter. The router is not one: it is the exchange itself.
constexpr std::array kKnown = std::to_array<Known>({
    {"envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency",
     make_adaptive_concurrency},
    {"envoy.extensions.filters.http.cors.v3.Cors", make_cors},
    {"envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", make_ext_authz},
    {"envoy.extensions.filters.http.fault.v3.HTTPFault", make_fault},
    {"envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", make_local_ratelimit},
    {"envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", make_jwt_authn},
    {route::OnDemand::kType, make_on_demand},
    {"envoy.extensions.filters.http.rbac.v3.RBAC", make_rbac},
    {"mesh.xds.v1.CircuitBreaker", make_circuit_breaker},
    {"envoy.extensions.filters.http.stateful_session.v3.StatefulSession", make_stateful_session},
});

}  // namespace

Made make(const Config& config, const std::string& key, Shared& shared) {
  const auto known = std::find_if(kKnown.begin(), kKnown.end(),
                                  [&](const Known& k) { return k.type == config->type; });
  if (known == kKnown.end())
    return Error{Errc::Invalid, text::quoted(config->type) + " is not supported"};
  return known->make(config, key, shared);
}

}  // namespace mesh::forward::filter

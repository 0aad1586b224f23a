#include <algorithm>
#include <array>

#include "base/text.h"
#include "forward/filter/cors.h"
#include "forward/filter/fault.h"
#include "forward/filter/pipeline.h"
#include "forward/filter/stateful_session.h"

namespace mesh::forward::filter {
namespace {

using Made = Result<std::shared_ptr<const Filter>>;
using Config = std::shared_ptr<const route::FilterConfig>;

struct Known {
  std::string_view type;  // FilterConfig::type
  Made (*make)(const Config& config, Shared& shared);
};

Made make_fault(const Config& config, Shared&) {
  const auto* const policy = route::value_of<resilience::FaultPolicy>(config.get());
  MESH_CHECK(policy != nullptr);
  return Fault::make(*policy);
}

Made make_cors(const Config& config, Shared&) { return Cors::make(config); }

Made make_stateful_session(const Config& config, Shared&) {
  const auto* const session = route::value_of<route::StatefulSession>(config.get());
  MESH_CHECK(session != nullptr);
  if (session->by == route::StatefulSession::By::Nothing) return std::shared_ptr<const Filter>();
  return std::shared_ptr<const Filter>(std::make_shared<StatefulSessionFilter>(*session));
}

// One row a filter. The router is not one: it is the exchange itself.
constexpr std::array kKnown = std::to_array<Known>({
    {"envoy.extensions.filters.http.cors.v3.Cors", make_cors},
    {"envoy.extensions.filters.http.fault.v3.HTTPFault", make_fault},
    {"envoy.extensions.filters.http.stateful_session.v3.StatefulSession", make_stateful_session},
});

}  // namespace

Made make(const Config& config, Shared& shared) {
  const auto known = std::find_if(kKnown.begin(), kKnown.end(),
                                  [&](const Known& k) { return k.type == config->type; });
  if (known == kKnown.end())
    return Error{Errc::Invalid, text::quoted(config->type) + " is not supported"};
  return known->make(config, shared);
}

}  // namespace mesh::forward::filter

// What a request brings to the choice of its host, once its cluster is known.
#include "forward/connection.h"
#include "forward/destination.h"
#include "forward/exchange.h"
#include "forward/hash_policy.h"
#include "forward/worker.h"

namespace mesh::forward {

using telemetry::Flag;

// The cluster as it is for this request. False: answered already.
bool Exchange::find_variant() {
  Destination destination = destination_of(*target_, *connection_, head_);
  switch (destination.error) {
    case DestinationError::Unknown:
      reply(503, Flag::NoHealthyUpstream, "no_healthy_upstream", "no healthy upstream");
      return false;
    case DestinationError::TooMany:
      reply(503, Flag::UpstreamOverflow, "upstream_reset_before_response_started{overflow}",
            "too many destinations");
      return false;
    case DestinationError::None: break;
  }
  extras().variant = std::move(destination.use);
  target_ = &extras().variant.cluster();
  return true;
}

// False: answered already.
bool Exchange::prepare_pick() {
  if (const uint32_t share = cluster_->cluster->spec().dropped_per_million;
      share > 0 && worker_.random().below(1'000'000) < share) {
    cluster_->cluster->count_drop();
    reply(503, Flag::DropOverload, "drop_overload", "drop overload");
    return false;
  }
  // Only who uses a hash has one made, and a cookie for it (Envoy).
  if (!route_->hash_policies.empty() &&
      balance::hashes(cluster_->cluster->spec().config->balancing.options.algorithm))
    extras().pick.hash =
        request_hash(route_->hash_policies, *head_, *connection_, extras().set_cookies);
  if (destination_ != nullptr && destination_->subset)
    extras().pick.subset = destination_->subset.get();
  return true;
}

// Cookies that were made for a hash go back with the answer.
void Exchange::add_cookies(http::Fields& fields) {
  if (!extras_) return;
  for (const std::string& cookie : extras_->set_cookies) fields.add("set-cookie", cookie);
}

}  // namespace mesh::forward

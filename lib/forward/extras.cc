#include "forward/extras.h"

namespace mesh::forward {

void Extras::add_tried(balance::HostIndex host, const resilience::RetryPolicy& policy) {
  if (host == balance::kNoHost || tried_count == tried.size()) return;
  tried[tried_count++] = host;
  if (policy.avoid_tried_hosts) pick.tried = {tried.data(), tried_count};
  const uint32_t every = policy.previous_priorities_every;
  if (every > 0) pick.left = {tried.data(), tried_count - tried_count % every};
}

void Extras::clear() {
  own_response.clear();
  location.clear();
  span_name.clear();
  transport_failure.clear();
  pick = {};
  variant.reset();
  tried_count = 0;
  set_cookies.clear();
  untouched_retries = 0;
  retry_permit.reset();
  traced = terminate_connect = websocket_key_added = false;
  hedge.reset();
  authorizing.reset();
  try_start = {};
  taps.clear();
}

}  // namespace mesh::forward

#include "forward/extras.h"

namespace mesh::forward {

void Extras::add_tried(balance::HostIndex host) {
  const size_t count = pick.tried.size();
  if (count == tried.size()) return;
  tried[count] = host;
  pick.tried = {tried.data(), count + 1};
}

void Extras::clear() {
  own_response.clear();
  location.clear();
  transport_failure.clear();
  pick = {};
  set_cookies.clear();
  untouched_retries = 0;
  retry_permit.reset();
  terminate_connect = websocket_key_added = false;
  hedge.reset();
  try_start = {};
  taps.clear();
}

}  // namespace mesh::forward

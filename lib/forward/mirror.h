// Mirrors: copies of requests to other clusters, whose answers nobody waits for.
//
// A copy has its own attempt, head and time: it outlives the request that it copies, and
// nothing that happens to it shows there. It is given up when its upstream does not take
// the body as fast as it comes (kBodyWaitingMax), when its time is over, and when the
// request is broken off before its end. Envoy, RouteAction.RequestMirrorPolicy: the host
// name gets "-shadow" behind it. A worker's own; one thread.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "forward/request_tap.h"
#include "forward/view.h"
#include "http/message.h"
#include "route/route.h"

namespace mesh::forward {

class Worker;

class Mirrors {
 public:
  // Under way at once in a worker; over it requests are not mirrored.
  static constexpr size_t kMirrorsMax = 1024;
  // Of a body, while there is no connection or the upstream takes none of it.
  static constexpr size_t kBodyWaitingMax = 64 * 1024;
  // Where the route has no timeout.
  static constexpr Duration kTimeMax = std::chrono::minutes(5);

  explicit Mirrors(Worker& worker);  // outlives us
  ~Mirrors();

  // Begins those of `route` that the dice choose, with `head` as it goes upstream; `end`:
  // there is no body. Otherwise `taps` gets who hears the body. `view` is retained for
  // as long as needed. `timeout` 0 is none.
  void begin(const route::Route& route, View& view, const http::RequestHead& head, bool end,
             Duration timeout, std::vector<std::unique_ptr<RequestTap>>& taps);

  // Gives all up: the worker ends.
  void abandon();
  size_t active() const { return copies_.size(); }

 private:
  class Copy;
  class Tap;
  void remove(Copy& copy);

  Worker& worker_;
  std::vector<std::unique_ptr<Copy>> copies_;
};

// "shop:80" becomes "shop-shadow:80".
std::string shadow_host(std::string_view authority);

}  // namespace mesh::forward

// Fetcher: small documents over HTTP and HTTPS, for those whom nobody waits for.
//
// Transfers run side by side in a thread of libcurl's, begun when needed. Servers prove
// themselves to the system's authorities or to those of a file; redirects are followed
// a few times, never from HTTPS to HTTP. The proxies of the environment hold.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "event/loop.h"

namespace mesh::fetch {

class Fetcher {
 public:
  static constexpr size_t kWaitingMax = 1000;

  struct Request {
    std::string url;  // http or https
    Duration timeout = std::chrono::seconds(5);
    size_t bytes_max = 1U << 20;
    std::string ca_file = {};  // PEM; empty: the system's
  };
  // The body of an answer of status 200. Errc::Unavailable says what came instead,
  // Errc::TooBig where the body or what waits has no end.
  using Done = std::function<void(Result<std::string>)>;

  explicit Fetcher(event::Loop& loop);  // outlives us
  // What is under way is called off; no `done` runs from now on.
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  // `done` runs once, on the loop's thread, in a later turn. The loop's thread.
  void get(Request request, Done done);

 private:
  class Thread;

  event::Loop& loop_;
  std::unique_ptr<Thread> thread_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace mesh::fetch

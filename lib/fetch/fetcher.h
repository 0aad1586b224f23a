// Fetcher: small documents over HTTP and HTTPS, there and back, for those whom nobody waits for.
//
// Transfers run side by side in a thread of libcurl's, begun when needed. Servers prove
// themselves to the system's authorities or to those of a file; redirects of get() are followed
// a few times, never from HTTPS to HTTP, those of post() are not. The proxies of the environment
// hold.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

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
    // Of post().
    std::string body = {};
    std::vector<std::string> headers = {};  // "name: value"
    std::string unix_path = {};             // not empty: the socket that is connected to
  };
  struct Response {
    long status = 0;
    std::string body;
    Duration retry_after{0};  // as the server asks; 0: it does not
  };
  // The body of an answer of status 200. Errc::Unavailable says what came instead,
  // Errc::TooBig where the body or what waits has no end.
  using Done = std::function<void(Result<std::string>)>;
  // Whatever was answered; otherwise as Done.
  using Answered = std::function<void(Result<Response>)>;

  explicit Fetcher(event::Loop& loop);  // outlives us
  // What is under way is called off; no `done` runs from now on.
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  // `done` runs once, on the loop's thread, in a later turn. The loop's thread.
  void get(Request request, Done done);
  // Sends `body`, and gives what came back; `answered` as `done`.
  void post(Request request, Answered answered);

 private:
  class Thread;

  void start(bool post, Request request, Answered answered);

  event::Loop& loop_;
  std::unique_ptr<Thread> thread_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace mesh::fetch

// Client: one connection to a daemon, for calls, watches and reports.
//
// The daemon may be absent, die and come back at any time: the client connects
// when it can, notices a new boot id, opens its watches anew with the versions
// it holds, and sends what waits. Nothing starts before the first turn of the
// loop, so that libzmq's threads come after privileges are dropped. One thread,
// the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "bus/limits.h"
#include "bus/reply.h"
#include "bus/watch.h"
#include "event/loop.h"

namespace mesh::bus {

class Client {
 public:
  struct Stats {
    uint64_t connections = 0;  // hellos from a server, new or the same
    uint64_t malformed = 0;    // messages of the server that we could not read
    uint64_t reports_sent = 0;
    uint64_t reports_replaced = 0;  // by a newer one of the same key before they were sent
    uint64_t reports_dropped = 0;   // over the limit while the server was away
  };

  Client(event::Loop& loop, std::string path, Limits limits = {});  // the loop outlives us
  ~Client();  // cancels all calls: their `done` does not run
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Asks. `done` runs exactly once, in a later turn of the loop: with the
  // reply, with the daemon's error, with Errc::Timeout when `deadline` passed
  // unanswered, or with Errc::Unavailable when the daemon was away until then
  // or died while we waited (it may have acted before). It may destroy
  // anything but the Client. `owner` is a tag for cancel().
  template <class Rep, class Req>
  void call(const Req& request, Duration deadline, std::function<void(Result<Rep>)> done,
            const void* owner = nullptr) {
    call_bytes(
        type_url_of<Req>(), request.SerializeAsString(), deadline, type_url_of<Rep>(),
        [done = std::move(done)](Result<std::string> bytes) {
          if (!bytes) return done(std::move(bytes).error());
          Rep reply;
          if (!reply.ParseFromString(*bytes)) return done(unparsable());
          done(std::move(reply));
        },
        owner);
  }

  // Forgets the calls made with this tag: their `done` does not run.
  void cancel(const void* owner);

  // Watches resources of `type_url`. The sink outlives the Watch, the Watch
  // must not outlive us.
  std::unique_ptr<Watch> watch(std::string type_url, Node node, Sink& sink,
                               std::vector<std::string> names = {std::string(kAll)});

  // Tells, and forgets: no answer, no error. While the daemon is away the
  // newest report of each key waits (by default one a type: totals that are
  // cumulative lose nothing); over the limit reports are dropped and counted.
  template <class Req>
  void report(const Req& message, std::string_view key = {}) {
    report_bytes(type_url_of<Req>(), message.SerializeAsString(), key);
  }

  // A server has answered on the present connection, and within a lease's time.
  bool up() const;
  // Of the last server heard; 0: none yet.
  uint64_t server_boot_id() const;
  const Stats& stats() const;

  // The untyped forms.
  void call_bytes(std::string type_url, std::string payload, Duration deadline,
                  std::string reply_type_url, std::function<void(Result<std::string>)> done,
                  const void* owner);
  void report_bytes(std::string type_url, std::string payload, std::string_view key);

 private:
  class Impl;
  static Error unparsable();

  std::unique_ptr<Impl> impl_;
};

}  // namespace mesh::bus

// Server: a daemon's end of the bus. One a daemon.
//
// Life: construct; answer()/serve()/collect() what the daemon knows; bind()
// while privileged; drop privileges; start(), which makes libzmq's threads.
// Messages come from other processes: what is wrong in them is answered with an
// error or dropped, and counted, never fatal. One thread, the loop's.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "bus/limits.h"
#include "bus/peer.h"
#include "bus/reply.h"
#include "bus/watch.h"
#include "event/loop.h"

namespace mesh::bus {

class Server {
 public:
  struct Options {
    std::string path;  // of the socket; PATH.lock stands beside it. At most 100 bytes
    mode_t mode = 0660;
    std::optional<gid_t> group;  // the socket's; empty: as the process makes it
    Access access;               // own_uid is filled in by start()
    Limits limits;
    uint64_t boot_id = 0;  // 0: chosen by the kernel's random source
  };

  // What happened since the start.
  struct Stats {
    uint64_t messages = 0;  // received, of any kind
    uint64_t calls = 0;
    uint64_t reports = 0;
    uint64_t malformed = 0;  // not an envelope, wrong frames, payload that does not parse
    uint64_t too_big = 0;    // over a limit of bytes
    uint64_t unknown_type = 0;
    uint64_t refused = 0;        // by Allow, or with no credentials
    uint64_t over_limit = 0;     // too many peers, calls or watches
    uint64_t undelivered = 0;    // answers that a peer did not take
    uint64_t lapsed = 0;         // leases not renewed
    uint64_t accept_pauses = 0;  // descriptors were nearly used up
    size_t peers = 0;            // now
    size_t watches = 0;          // now
    size_t calls_open = 0;       // now: answer_later() not answered yet
  };

  Server(event::Loop& loop, Options options);  // the loop outlives us
  ~Server();                                   // hangs up and removes the socket
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Makes the socket, under a lock. Errc::Refused when another process serves
  // this path, Errc::System, or Errc::Invalid for a path that is too long.
  // A socket that a dead process left behind is replaced.
  Result<void> bind();

  // Starts libzmq's threads (all signals blocked in them) and answers from the
  // next turn of the loop on. After bind(), and after privileges are dropped.
  Result<void> start();

  // Answers calls of type Req by `method`, which returns the reply or an error.
  // One handler a type, registered before start().
  template <class Object, class Req, class Rep>
  void answer(Allow allow, Object* object, Result<Rep> (Object::*method)(const Req&, const Peer&)) {
    answer_later<Req, Rep>(allow,
                           [object, method](const Req& req, const Peer& peer, Reply<Rep> reply) {
                             reply((object->*method)(req, peer));
                           });
  }

  // The same, answered in a later turn: keep the Reply.
  template <class Req, class Rep>
  void answer_later(Allow allow, std::function<void(const Req&, const Peer&, Reply<Rep>)> handle) {
    answer_bytes(
        allow, type_url_of<Req>(),
        [handle = std::move(handle)](std::string_view payload, const Peer& peer, Answer answer) {
          Req request;
          if (!parse(request, payload)) return answer.fail(unparsable()), false;
          handle(request, peer, Reply<Rep>(std::move(answer)));
          return true;
        });
  }
  template <class Object, class Req, class Rep>
  void answer_later(Allow allow, Object* object,
                    void (Object::*method)(const Req&, const Peer&, Reply<Rep>)) {
    answer_later<Req, Rep>(allow,
                           [object, method](const Req& req, const Peer& peer, Reply<Rep> reply) {
                             (object->*method)(req, peer, std::move(reply));
                           });
  }

  // Takes reports of type Req. They are never answered.
  template <class Object, class Req>
  void collect(Allow allow, Object* object, void (Object::*method)(const Req&, const Peer&)) {
    collect_bytes(allow, type_url_of<Req>(),
                  [object, method](std::string_view payload, const Peer& peer) {
                    Req report;
                    if (!parse(report, payload)) return false;
                    (object->*method)(report, peer);
                    return true;
                  });
  }

  // Serves watches of `type_url` ("type.googleapis.com/..."). The provider
  // outlives us.
  void serve(Allow allow, std::string type_url, WatchProvider& provider);

  const Stats& stats() const;
  uint64_t boot_id() const;
  const std::string& path() const;

  // The untyped forms; false from the handler: the payload did not parse.
  using AnswerBytes = std::function<bool(std::string_view payload, const Peer&, Answer)>;
  using CollectBytes = std::function<bool(std::string_view payload, const Peer&)>;
  void answer_bytes(Allow allow, std::string type_url, AnswerBytes handle);
  void collect_bytes(Allow allow, std::string type_url, CollectBytes handle);

 private:
  class Impl;

  template <class Message>
  static bool parse(Message& message, std::string_view payload) {
    return message.ParseFromArray(payload.data(), int(payload.size()));
  }
  static Error unparsable();

  std::unique_ptr<Impl> impl_;
};

}  // namespace mesh::bus

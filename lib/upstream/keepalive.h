// Keepalive: PINGs on an HTTP/2 connection, and its end where nobody answers:
// Envoy's connection_keepalive. Exists only where that is configured. One thread.
#pragma once

#include "base/random.h"
#include "event/loop.h"
#include "http/codec.h"
#include "http/limits.h"

namespace mesh::upstream {

class Keepalive final : private event::Deadline::Owner {
 public:
  class Owner {
   public:
    // No answer within the timeout. Keepalive may be destroyed in it.
    virtual void on_keepalive_timeout() = 0;

   protected:
    ~Owner() = default;
  };

  using Settings = http::Http2Options::Keepalive;
  static bool wanted(const Settings& settings) {
    return settings.timeout > Duration::zero() &&
           (settings.interval > Duration::zero() || settings.idle_interval > Duration::zero());
  }

  // All outlive us.
  Keepalive(event::Loop& loop, http::Codec& codec, const Settings& settings, Random& random,
            Owner& owner);

  // Bytes moved.
  void on_progress() { last_progress_ = loop_.now(); }
  // A stream is about to begin: after a long silence the peer is asked first.
  void on_stream();

 private:
  void on_deadline(event::Deadline&) override;
  void ask();
  void wait();

  event::Loop& loop_;
  http::Codec& codec_;
  const Settings settings_;
  Random& random_;
  Owner& owner_;
  event::Deadline deadline_;
  Instant last_progress_;
  bool asked_ = false;
};

}  // namespace mesh::upstream

// Takeover: how a forwarder follows another of the same file without a client
// noticing: listening sockets go from the running to the new one, which serves
// before the other drains.
//
// forwarder(8), "TAKING OVER". Main thread.
#pragma once

#include <functional>
#include <string>

#include "event/watch.h"
#include "forward/forwarder.h"
#include "net/handover.h"

namespace mesh::forwarder {

class Takeover final {
 public:
  static constexpr Duration kTakeMax = std::chrono::seconds(5);

  // `drain`: a successor serves; end in order. All outlive us.
  Takeover(event::Loop& loop, forward::Forwarder& forwarder, std::string path,
           std::function<void()> drain);

  // Takes the sockets of whoever runs, if anybody does, before they are bound.
  // With `must`, nobody running is an error.
  Result<void> take(bool must);
  // We serve: the predecessor may go, and we listen in its place.
  Result<void> serve();
  bool took_over() const { return took_over_; }

 private:
  class End final : public event::Watch::Handler {
   public:
    End(event::Loop& loop, std::function<void()> ready)
        : ready_(std::move(ready)), watch(loop, *this) {}
    void on_ready(bool, bool) override { ready_(); }

   private:
    const std::function<void()> ready_;

   public:
    event::Watch watch;
  };

  Result<void> listen();
  void on_taker();
  void on_word();
  void on_giver_gone();

  event::Loop& loop_;
  forward::Forwarder& forwarder_;
  const std::string path_;
  const std::function<void()> drain_;
  bool took_over_ = false;
  UniqueFd giver_;
  UniqueFd listener_;
  UniqueFd taker_;
  End giver_end_;
  End listener_end_;
  End taker_end_;
};

}  // namespace mesh::forwarder

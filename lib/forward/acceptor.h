// Acceptor: one listening socket, as one worker accepts from it.
//
// All workers watch the same socket. Who accepts while another clearly has
// fewer connections hands the new one over, so that a few long connections do
// not all land on one worker. When descriptors run out it pauses, says so once,
// and goes on by itself. One thread.
#pragma once

#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "event/loop.h"
#include "event/watch.h"
#include "net/listener.h"

namespace mesh::forward {

class Acceptor final : private event::Watch::Handler, private event::Deadline::Owner {
 public:
  // New connections a turn, at most; the others wait for the next.
  static constexpr int kPerTurn = 64;
  static constexpr Duration kPause = std::chrono::milliseconds(100);

  class Owner {
   public:
    virtual void on_accepted(const std::string& listener, UniqueFd fd) = 0;
    // False: those that come wait in the queue; looked at again after kPause.
    virtual bool accepting() const { return true; }

   protected:
    ~Owner() = default;
  };

  Acceptor(event::Loop& loop, Owner& owner, std::string listener,
           std::shared_ptr<const net::ListenSocket> socket);
  Result<void> start() { return watch_.start(socket_->fd(), event::Watch::Interest::Read); }

  // Takes what waits in the queue; before the socket stops listening.
  void accept_waiting() { on_ready(true, false); }

  const std::string& listener() const { return listener_; }
  const net::ListenSocket& socket() const { return *socket_; }

 private:
  void on_ready(bool readable, bool writable) override;
  void on_deadline(event::Deadline&) override { on_ready(true, false); }

  Owner& owner_;
  const std::string listener_;
  const std::shared_ptr<const net::ListenSocket> socket_;
  event::Watch watch_;
  event::Deadline pause_;
  bool exhausted_ = false;
};

}  // namespace mesh::forward

// Socket: a ZeroMQ socket on the event loop. With context.cc the only place
// that calls libzmq, and the one place that knows of ZMQ_FD.
//
// ZMQ_FD is edge-triggered and only a hint: it says "commands wait inside", any
// call into the socket may swallow that edge, and after it only ZMQ_EVENTS tells
// the truth. So ZMQ_EVENTS is read again after every receive and every send, and
// what is left over makes its own next turn. Of a peer whose full queue has room again
// it does not tell whose: what was blocked is also tried again by the clock.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bus/limits.h"
#include "event/loop.h"
#include "event/timer.h"
#include "event/watch.h"

namespace mesh::bus {

class Socket final : private event::Watch::Handler {
 public:
  enum class Type : uint8_t { Router, Dealer };

  // One multipart message. The views live as long as the call.
  struct Message {
    static constexpr size_t kFramesMax = 3;
    std::array<std::string_view, kFramesMax> frames;
    size_t count = 0;                    // frames that came; those past kFramesMax are gone
    const char* peer_address = nullptr;  // libzmq's property of the last frame kept
  };

  class Owner {
   public:
    // May send; may not destroy the socket.
    virtual void on_message(const Message& message) = 0;
    // Something was received or could be sent after a pause: try what waits.
    virtual void on_writable() = 0;

   protected:
    ~Owner() = default;
  };

  // Starts libzmq's threads if this is the process's first socket, with all
  // signals blocked in them. Errc::System when descriptors are used up.
  static Result<std::unique_ptr<Socket>> open(event::Loop& loop, Type type, const Limits& limits,
                                              Owner& owner);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Accepts on a listening AF_UNIX socket, until the destructor: taking it back
  // (zmq_unbind) would end the connections that came by it. Another may follow.
  // `path` is for libzmq's books only.
  Result<void> listen(UniqueFd listening, const std::string& path);

  // Connects, and reconnects for ever, in the background.
  Result<void> connect(const std::string& path);

  enum class Sent : uint8_t {
    Yes,
    Blocked,  // no connection, or the peer's queue is full
    NoPeer,   // router: no such connection
  };
  Sent send(std::initializer_list<std::string_view> frames);

 private:
  Socket(event::Loop& loop, void* socket, const Limits& limits, Owner& owner);
  void on_ready(bool readable, bool writable) override;
  int events() const;
  bool receive();

  void* socket_;
  const size_t messages_a_turn_max_;
  Owner& owner_;
  event::Watch watch_;
  event::Timer unblock_;  // armed: something was blocked
  Duration pause_;        // of the next such try
};

}  // namespace mesh::bus

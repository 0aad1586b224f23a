#include "forward/acceptor.h"

#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace mesh::forward {

Acceptor::Acceptor(event::Loop& loop, Owner& owner, std::string listener,
                   std::shared_ptr<const net::ListenSocket> socket)
    : owner_(owner),
      listener_(std::move(listener)),
      socket_(std::move(socket)),
      watch_(loop, *this),
      pause_(loop.wheel(), *this) {}

void Acceptor::on_ready(bool, bool) {
  if (!owner_.accepting()) return pause_.arm(kPause);
  for (int i = 0; i < kPerTurn; ++i) {
    net::Accepted accepted = net::accept(socket_->fd());
    if (accepted.fd) {
      if (std::exchange(exhausted_, false))
        log::notice("accepting again", {{"listener", listener_}});
      owner_.on_accepted(listener_, std::move(accepted.fd));
      continue;
    }
    if (accepted.error == EAGAIN) return;
    // Out of descriptors or memory: those in the queue wait, no edge will come.
    if (!std::exchange(exhausted_, true))
      log::error("cannot accept: paused until descriptors are free",
                 {{"listener", listener_}, {"error", strerrordesc_np(accepted.error)}});
    pause_.arm(kPause);
    return;
  }
  watch_.again(true, false);
}

}  // namespace mesh::forward

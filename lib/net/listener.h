// ListenerSet: the listening sockets of a process, bound once.
//
// They outlive configuration: a listener whose settings change keeps its
// socket, so that nothing which waits in its queue is reset. Main thread;
// descriptors are valid for as long as the caller holds the socket.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/address.h"
#include "net/socket.h"

namespace mesh::net {

// One bound socket. Closed, and its Unix path removed, with the last holder.
class ListenSocket {
 public:
  ListenSocket(UniqueFd fd, Address address) : fd_(std::move(fd)), address_(address) {}
  ~ListenSocket();
  ListenSocket(const ListenSocket&) = delete;
  ListenSocket& operator=(const ListenSocket&) = delete;

  int fd() const { return fd_.get(); }
  // Refuses new connections from now on, whoever still holds the socket. Accept
  // what waits in the queue before: the rest of it is reset.
  // It cannot be bound to again. Main thread.
  void stop_listening() const;
  bool stopped() const { return stopped_; }
  // As bound: port 0 is replaced by the kernel's choice.
  const Address& address() const { return address_; }

 private:
  UniqueFd fd_;
  Address address_;
  mutable bool stopped_ = false;
};

class ListenerSet {
 public:
  // The socket of that name if it is bound to the same address already (port 0
  // matches itself), else a new one. Errors as listen(). A name that moves to
  // another address gets its new socket before the old one goes.
  Result<std::shared_ptr<const ListenSocket>> bind(const std::string& name, const Address& address,
                                                   const ListenOptions& options);

 private:
  struct Bound {
    Address asked;
    std::weak_ptr<const ListenSocket> socket;
  };
  std::map<std::string, Bound> bound_;
};

}  // namespace mesh::net

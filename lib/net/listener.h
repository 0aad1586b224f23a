// ListenerSet: the listening sockets of a process, bound once.
//
// They outlive configuration: a listener whose settings change keeps its
// socket, so that nothing which waits in its queue is reset. Main thread;
// descriptors are valid for as long as the caller holds the socket.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/address.h"
#include "net/socket.h"

namespace mesh::net {

// One bound socket. Closed, and its Unix path removed, with the last holder.
class ListenSocket {
 public:
  // `shared`: another process listens on it too, see share().
  ListenSocket(UniqueFd fd, Address address, bool shared = false)
      : fd_(std::move(fd)), address_(address), shared_(shared) {}
  ~ListenSocket();
  ListenSocket(const ListenSocket&) = delete;
  ListenSocket& operator=(const ListenSocket&) = delete;

  int fd() const { return fd_.get(); }
  // Refuses new connections from now on, whoever still holds the socket. Accept
  // what waits in the queue before: the rest of it is reset.
  // It cannot be bound to again. Main thread.
  void stop_listening() const;
  bool stopped() const { return stopped_; }
  // Another process goes on with it: from now on stop_listening() only keeps it from
  // being bound to again, and its queue and path are the other's. Main thread.
  void share() const { shared_ = true; }
  bool shared() const { return shared_; }
  // As bound: port 0 is replaced by the kernel's choice.
  const Address& address() const { return address_; }

 private:
  UniqueFd fd_;
  Address address_;
  mutable bool stopped_ = false;
  mutable bool shared_ = false;
};

// A listening socket that this process was given.
struct Inherited {
  std::string name;  // of the listener, as the giver calls it; may be empty
  Address asked;     // what it was bound by: port 0 where the kernel chose
  UniqueFd fd;
  bool shared = false;  // the giver keeps it (a service manager)
};

class ListenerSet {
 public:
  // Used by bind() in place of a new socket: of the same address, where that has a
  // port or path, else of the same name.
  void provide(Inherited inherited) { provided_.push_back(std::move(inherited)); }
  // Gives back what no bind() has taken.
  std::vector<Inherited> take_back() { return std::exchange(provided_, {}); }

  // All that are bound and not stopped, to be given to another process.
  struct Entry {
    std::string name;
    Address asked;
    std::shared_ptr<const ListenSocket> socket;
  };
  std::vector<Entry> entries() const;

  // The socket of that name if it is bound to the same address already (port 0
  // matches itself), else a new one. Errors as listen(). A name that moves to
  // another address gets its new socket before the old one goes.
  Result<std::shared_ptr<const ListenSocket>> bind(const std::string& name, const Address& address,
                                                   const ListenOptions& options);

 private:
  std::optional<Inherited> provided(const std::string& name, const Address& address);

  struct Bound {
    Address asked;
    std::weak_ptr<const ListenSocket> socket;
  };
  std::map<std::string, Bound> bound_;
  std::vector<Inherited> provided_;
};

}  // namespace mesh::net

// Resolver: names to addresses, without holding up the loop.
//
// getaddrinfo(3) as the host is set up (nsswitch, /etc/hosts, resolv.conf) in a few
// threads of its own, begun when needed. getaddrinfo cannot be called off: a
// thread that is inside when the resolver goes ends by itself, and touches nothing
// of ours then. One loop; resolve() on its thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "event/loop.h"
#include "net/address.h"

namespace mesh::net {

class Resolver {
 public:
  static constexpr size_t kThreadsMax = 4;
  static constexpr size_t kWaitingMax = 10'000;
  static constexpr size_t kAddressesMax = 256;  // of one name; the rest is dropped

  using Addresses = std::vector<Address>;
  using Done = std::function<void(Result<Addresses>)>;
  // Any thread; may block.
  using Lookup = std::function<Result<Addresses>(const std::string& name)>;

  // IPv4 and IPv6, in the system's order, with port 0. Errc::NotFound: there is no such name, or
  // it has no address; Errc::Unavailable: nobody could say. Blocks.
  static Result<Addresses> system_lookup(const std::string& name);

  explicit Resolver(event::Loop& loop, Lookup lookup = system_lookup);
  ~Resolver();  // calls nobody any more
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `done` runs on the loop, never within the call. Errc::TooBig over kWaitingMax.
  void resolve(std::string name, Done done);

 private:
  struct Shared;
  static void work(const std::shared_ptr<Shared>& shared);

  const std::shared_ptr<Shared> shared_;
};

}  // namespace mesh::net

// DnsServer: answers names of the mesh on UDP and TCP (RFC 1035, 7766).
//
// An address that is taken is tried again. Everything from a client is bounded:
// datagrams a turn, connections, queries that wait on one, and how long it may be
// silent. One thread, the loop's.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "discovery/dns/zone.h"
#include "event/loop.h"
#include "event/timer.h"
#include "event/watch.h"
#include "net/address.h"

namespace mesh::discoveryd {

class DnsServer {
 public:
  static constexpr size_t kConnectionsMax = 64;
  static constexpr Duration kIdleMax = std::chrono::seconds(10);
  static constexpr Duration kBindAgain = std::chrono::seconds(5);

  DnsServer(event::Loop& loop, net::Address address);  // the loop outlives us
  ~DnsServer();

  // What is answered from now on. Before the first nothing is answered.
  void set_zone(std::shared_ptr<const discovery::dns::Zone> zone) { zone_ = std::move(zone); }

  // ADDRESS:PORT; empty while it cannot be bound.
  std::string listening() const;

 private:
  class Datagrams;
  class Acceptor;
  class Connection;

  void bind();
  Result<void> try_bind();
  // The answer to the bytes of a query; empty: none.
  std::string answer(std::string_view query, bool datagram) const;
  void accept(int fd);
  void close(Connection& connection);
  void sweep();

  event::Loop& loop_;
  const net::Address address_;
  std::shared_ptr<const discovery::dns::Zone> zone_;
  std::unique_ptr<Datagrams> datagrams_;
  std::unique_ptr<Acceptor> acceptor_;
  std::map<Connection*, std::unique_ptr<Connection>> connections_;
  event::Timer bind_timer_;
  event::Timer sweep_timer_;
  bool failed_ = false;  // said once
};

}  // namespace mesh::discoveryd

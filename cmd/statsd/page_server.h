// PageServer: the Prometheus page over HTTP/1.1, read only.
//
// GET and HEAD of /metrics and /ready, one request a connection. Bounded: 32
// connections (more are closed at once), 8 KiB of request, 5 s from accept to
// the last byte taken. One thread, the loop's.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/result.h"
#include "event/loop.h"
#include "event/timer.h"
#include "event/watch.h"
#include "net/address.h"
#include "net/socket.h"

namespace mesh::statsd {

class PageServer final : private event::Watch::Handler {
 public:
  static constexpr size_t kConnectionsMax = 32;
  static constexpr Duration kConnectionTime = std::chrono::seconds(5);

  // `page` makes the body of /metrics.
  PageServer(event::Loop& loop, std::function<std::string()> page);  // the loop outlives us
  ~PageServer();

  // Errc::Unavailable where the port is taken; the text names the address.
  Result<void> listen(const net::Address& address);

  // As bound: port 0 is replaced by the kernel's choice.
  const net::Address& address() const { return address_; }

 private:
  class Connection;
  void on_ready(bool readable, bool writable) override;
  void remove(Connection& connection);
  std::string answer(std::string_view received, bool& complete) const;

  event::Loop& loop_;
  const std::function<std::string()> page_;
  net::Address address_;
  UniqueFd fd_;
  event::Watch watch_;
  event::Timer retry_;  // after descriptors ran out
  std::list<std::unique_ptr<Connection>> connections_;
};

}  // namespace mesh::statsd

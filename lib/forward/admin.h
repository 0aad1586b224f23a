// Admin: the forwarder's own small HTTP server, for people and scripts.
//
// Envoy's pages and names where both have them: /ready, /stats, /clusters,
// /listeners, /config_dump, /drain_listeners (POST). For loopback or a Unix
// socket only: it has no authentication. On the main loop, so that a slow reader
// costs no request anything. Main thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "event/watch.h"
#include "forward/forwarder.h"
#include "net/listener.h"

namespace mesh::forward {

class Admin final : private event::Watch::Handler {
 public:
  static constexpr size_t kClientsMax = 32;

  // `drain` is what /drain_listeners does. Both references outlive us.
  Admin(event::Loop& loop, Forwarder& forwarder, std::function<void()> drain);
  ~Admin();

  // Errc::Refused for an address that others can reach, else as net::listen().
  Result<void> listen(const std::string& address);
  const net::Address& address() const { return socket_->address(); }

  struct Page {
    uint16_t status = 200;
    std::string type = "text/plain; charset=UTF-8";
    std::string body;
  };
  // What a path answers. The query is ignored.
  Page answer(std::string_view method, std::string_view path) const;

 private:
  friend class AdminClient;
  void on_ready(bool readable, bool writable) override;
  void remove(class AdminClient& client);

  Page stats() const;
  Page clusters() const;
  Page listeners() const;
  Page config_dump() const;

  event::Loop& loop_;
  Forwarder& forwarder_;
  std::function<void()> drain_;
  http::BlockPool blocks_{8};
  std::shared_ptr<const net::ListenSocket> socket_;
  event::Watch watch_;
  std::vector<std::unique_ptr<class AdminClient>> clients_;
};

}  // namespace mesh::forward

// Admin: the forwarder's own small HTTP server, for people and scripts.
//
// Envoy's paths, parameters and formats; forwarder(8), "ADMINISTRATION", lists
// them. For loopback or a Unix socket only: it has no authentication. On the main
// loop, so that a slow reader costs no request anything. Main thread.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "event/timer.h"
#include "event/watch.h"
#include "forward/admin/pages.h"
#include "forward/forwarder.h"
#include "net/listener.h"

namespace mesh::forward {

class Admin final : private event::Watch::Handler {
 public:
  static constexpr size_t kClientsMax = 32;

  // Both references outlive us.
  Admin(event::Loop& loop, Forwarder& forwarder, admin::Host host);
  ~Admin();

  // ADDRESS:PORT or a path. Errc::Invalid, beginning with "admin: ", also for an address that
  // others can reach.
  static Result<net::Address> address_of(const std::string& text);
  // Errors as address_of() and net::listen().
  Result<void> listen(const std::string& address);
  // Accepts nobody any more; those that are here are answered.
  void stop();

  // What a request's target answers.
  admin::Page answer(std::string_view method, std::string_view target);

  struct Command {
    std::string_view path;
    bool changes;  // POST; else GET or HEAD
    std::string_view help;
    std::span<const std::string_view> parameters;  // "NAME: what it does"
    admin::Page (Admin::*run)(const admin::Query& query);
  };

 private:
  friend class AdminClient;
  void on_ready(bool readable, bool writable) override;
  void remove(class AdminClient& client);

  static std::span<const Command> commands();
  static std::string list();
  admin::Page help(const admin::Query&) { return {.body = list()}; }
  admin::Page ready(const admin::Query&) { return admin::ready(forwarder_, state_); }
  admin::Page stats(const admin::Query& q) { return admin::stats(forwarder_, state_, host_, q); }
  admin::Page stats_prometheus(const admin::Query& q) {
    return admin::stats_prometheus(forwarder_, state_, host_, q);
  }
  admin::Page breakers(const admin::Query&) { return admin::breakers(forwarder_); }
  admin::Page clusters(const admin::Query& q) { return admin::clusters(forwarder_, q); }
  admin::Page listeners(const admin::Query& q) { return admin::listeners(forwarder_, q); }
  admin::Page certs(const admin::Query&) { return admin::certs(forwarder_); }
  admin::Page server_info(const admin::Query&) {
    return admin::server_info(forwarder_, state_, host_);
  }
  admin::Page memory(const admin::Query&) { return admin::memory(); }
  admin::Page runtime(const admin::Query&) { return admin::runtime(); }
  admin::Page logging(const admin::Query& q) { return admin::logging(q); }
  admin::Page config_dump(const admin::Query& q) { return admin::config_dump(host_, q); }
  admin::Page drain_listeners(const admin::Query& query);
  admin::Page healthcheck_fail(const admin::Query&) { return set_ill(true); }
  admin::Page healthcheck_ok(const admin::Query&) { return set_ill(false); }
  admin::Page reset_counters(const admin::Query&);
  admin::Page reopen_logs(const admin::Query&);
  admin::Page quit(const admin::Query&);
  admin::Page set_ill(bool ill);

  event::Loop& loop_;
  Forwarder& forwarder_;
  const admin::Host host_;
  admin::State state_;
  http::BlockPool blocks_{8};
  std::shared_ptr<const net::ListenSocket> socket_;
  event::Watch watch_;
  event::Timer close_timer_;  // after a graceful drain
  bool close_inbound_only_ = false;
  std::vector<std::unique_ptr<class AdminClient>> clients_;
};

}  // namespace mesh::forward

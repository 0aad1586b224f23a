// Service: a forwarder as part of a mesh: its identity from certd, its resources
// from discoveryd, its totals to statsd. Each may be away at any time.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "bus/client.h"
#include "client/cert_client.h"
#include "client/discovery_client.h"
#include "client/stats_client.h"
#include "cmd/forwarder/answers.h"
#include "cmd/forwarder/discovery_watch.h"
#include "cmd/forwarder/health_reporter.h"
#include "cmd/forwarder/settings.h"
#include "daemon/runtime.h"
#include "event/signal.h"
#include "event/timer.h"
#include "forward/admin.h"
#include "forward/forwarder.h"

namespace mesh::forwarder {

class Service final : public daemon::Service {
 public:
  // With nothing to serve from yet, systemd is not kept waiting for longer.
  static constexpr Duration kReadyAfter = std::chrono::seconds(60);
  // Between telling the mesh that we go and accepting no more: until all have confirmed
  // that they do not call us, or for at most so long; without discoveryd, which cannot
  // say who has, for kLeaveBlind.
  static constexpr Duration kLeave = std::chrono::seconds(2);
  static constexpr Duration kLeaveBlind = std::chrono::milliseconds(300);

  Service(daemon::Runtime& runtime, Settings settings);  // the runtime outlives us
  ~Service() override;

  // Identity and resources from disk at once, the rest as daemons are there.
  // Errors: the state directory, the admin address.
  Result<void> start(std::vector<net::Inherited> inherited);

  // What discoveryd is told, limits and times; forwarder(8), "SIGNALS".
  Result<void> reload(const google::protobuf::Message& message) override;
  void drain(std::function<void()> done) override;

 private:
  void on_in_force(const std::string& generation);
  void tell_listeners();
  void report();
  void leave(std::function<void()> done);
  std::unique_ptr<forward::Demand> make_demand();
  forward::admin::Host admin_host();
  bus::Node node_now() const;

  daemon::Runtime& runtime_;
  Settings settings_;
  bus::Client certd_;
  bus::Client discoveryd_;
  bus::Client statsd_;
  forward::Forwarder forwarder_;
  client::CertClient identity_;
  client::StatsClient stats_;
  client::DiscoveryClient mesh_;
  DiscoveryWatch discovery_;
  HealthReporter health_reporter_;
  Answers answers_;
  forward::Admin admin_;
  event::Signal reopen_;  // SIGUSR1
  event::Timer report_timer_;
  event::Timer ready_timer_;
  std::unique_ptr<event::Timer> leave_timer_;
  bool draining_ = false;
  bool ill_ = false;                // the admin page said so
  std::set<std::string> left_out_;  // listeners that cannot be bound
  bool left_ = false;               // the mesh knows, or was given the time
};

}  // namespace mesh::forwarder

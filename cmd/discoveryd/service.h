// Service: discoveryd on the bus. Joins the configuration (config_source.h),
// the registry (lib/discovery) and the forwarders (publisher.h), and answers
// what people ask.
#pragma once

#include <memory>
#include <string>

#include "bus/client.h"
#include "cmd/discoveryd/config_source.h"
#include "cmd/discoveryd/key_keeper.h"
#include "cmd/discoveryd/publisher.h"
#include "cmd/discoveryd/settings.h"
#include "cmd/discoveryd/xds_server.h"
#include "daemon/runtime.h"
#include "daemon/service.h"
#include "discovery/registry.h"
#include "discovery/roster.h"
#include "event/timer.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::discoveryd {

namespace msg = mesh::discoveryd::v1;

class Service final : public daemon::Service {
 public:
  static Result<std::unique_ptr<Service>> start(daemon::Runtime& runtime);

  Service(daemon::Runtime& runtime, Settings settings);
  Result<void> reload(const google::protobuf::Message& settings) override;
  void drain(std::function<void()> done) override;

 private:
  void arrived(const discovery::Node& node, const bus::Node& words);
  void left(const discovery::Node& node);
  void restore();
  void restore_roster();
  void on_config(std::shared_ptr<const discovery::Objects> objects,
                 std::vector<std::string> problems);
  // Something of the registry changed: the model is built anew soon, once for
  // all changes of a moment.
  void touch();
  void rebuild();
  // Settings, or keys that were fetched, are others now.
  void set_options();
  void save();
  void save_roster();
  void arm_expiry();
  void arm_roster();

  Result<msg::RegisterReply> add(const msg::RegisterRequest& request, const bus::Peer& peer);
  Result<msg::DeregisterReply> remove(const msg::DeregisterRequest& request, const bus::Peer& peer);
  Result<msg::ServicesReply> services(const msg::ServicesRequest& request, const bus::Peer& peer);
  Result<msg::EndpointsReply> endpoints(const msg::EndpointsRequest& request,
                                        const bus::Peer& peer);
  Result<msg::StatusReply> status(const msg::StatusRequest& request, const bus::Peer& peer);
  // explain.cc
  Result<msg::ResourcesReply> resources(const msg::ResourcesRequest& request,
                                        const bus::Peer& peer);
  Result<msg::PlacesReply> places(const msg::PlacesRequest& request, const bus::Peer& peer);
  Result<msg::DescribeReply> describe(const msg::DescribeRequest& request, const bus::Peer& peer);

  const Clock& clock_;
  const std::string registrations_file_;
  const std::string forwarders_file_;
  Settings settings_;
  discovery::Registry registry_;
  uint64_t saved_revision_ = 0;
  discovery::Roster roster_;
  uint64_t saved_roster_ = 0;
  std::shared_ptr<const discovery::Objects> objects_;  // null: none yet
  std::vector<std::string> problems_;
  event::Timer soon_;
  event::Timer expiry_;
  event::Timer roster_expiry_;
  event::Timer roster_soon_;  // saves
  Publisher publisher_;
  bus::Client configd_;
  ConfigSource source_;
  KeyKeeper keys_;
  std::unique_ptr<XdsServer> xds_;  // null: not served
};

}  // namespace mesh::discoveryd

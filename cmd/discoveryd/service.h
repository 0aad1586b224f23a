// Service: discoveryd on the bus. Joins the configuration (config_source.h),
// the registry (lib/discovery) and the forwarders (publisher.h), and answers
// what people ask.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bus/client.h"
#include "cmd/discoveryd/config_source.h"
#include "cmd/discoveryd/key_keeper.h"
#include "cmd/discoveryd/names.h"
#include "cmd/discoveryd/publisher.h"
#include "cmd/discoveryd/settings.h"
#include "cmd/discoveryd/shared_state.h"
#include "cmd/discoveryd/xds_server.h"
#include "daemon/runtime.h"
#include "daemon/service.h"
#include "discovery/checks.h"
#include "discovery/registry.h"
#include "discovery/roster.h"
#include "event/memory_trimmer.h"
#include "event/timer.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::discoveryd {

namespace msg = mesh::discoveryd::v1;

class Service final : public daemon::Service, private SharedState::Owner {
 public:
  static Result<std::unique_ptr<Service>> start(daemon::Runtime& runtime);

  Service(daemon::Runtime& runtime, Settings settings);
  Result<void> reload(const google::protobuf::Message& settings) override;
  void drain(std::function<void()> done) override;

 private:
  void arrived(const discovery::Node& node, const bus::Node& words);
  void left(const discovery::Node& node, const bus::Node& words);
  void on_refused();
  void restore();
  void restore_roster();
  void on_config(std::shared_ptr<const discovery::Objects> objects,
                 std::vector<std::string> problems, const ConfigSource::Names& changed);
  // Something of the registry changed: it is in force at the end of the turn.
  void touch();
  void apply_registry();
  // Everything anew.
  void rebuild();
  // Settings, or keys that were fetched, are others now.
  void set_options();
  // With the instances that there are now.
  std::shared_ptr<discovery::Model> build(std::shared_ptr<const discovery::Objects> objects);
  // The same without automatic addresses: for a model that is not served.
  std::shared_ptr<discovery::Model> build_apart(
      std::shared_ptr<const discovery::Objects> objects) const;
  void save();
  void save_soon();
  void save_roster();
  void arm_expiry();
  void arm_roster();

  Result<msg::RegisterReply> add(const msg::RegisterRequest& request, const bus::Peer& peer);
  Result<msg::DeregisterReply> remove(const msg::DeregisterRequest& request, const bus::Peer& peer);
  void leave(const msg::LeaveRequest& request, const bus::Peer& peer,
             bus::Reply<msg::LeaveReply> reply);
  void answer_leaves();
  void drop_unconfirmed();
  void on_health(const msg::HealthReport& report, const bus::Peer& peer);
  void complete(discovery::Node& node, const bus::Node& words);
  void on_groups();
  // sharing.cc
  Result<void> start_sharing(daemon::Runtime& runtime);
  void on_instance(discovery::Workload workload, const std::string& illness) override;
  void on_unconfirmed(discovery::Workload workload) override;
  void on_gone(const std::string& host, const SharedState::Key& key) override;
  bool ours(const discovery::Registry::Key& key) const;
  // Our instances, and how our forwarders stand; the latter alone.
  void share_soon();
  void share_host_soon();
  void share();
  void share_instances();
  // How our forwarders stand, and those that are expected back.
  void tell_forwarders(google::protobuf::RepeatedPtrField<msg::Forwarder>& into) const;
  // Those that are refused here.
  void tell_refused(google::protobuf::RepeatedPtrField<msg::RefusedForwarder>& into) const;
  // Other hosts, and theirs.
  void tell_hosts(msg::StatusReply& into) const;
  Result<msg::ServicesReply> services(const msg::ServicesRequest& request, const bus::Peer& peer);
  Result<msg::EndpointsReply> endpoints(const msg::EndpointsRequest& request,
                                        const bus::Peer& peer);
  Result<msg::StatusReply> status(const msg::StatusRequest& request, const bus::Peer& peer);
  // preview.cc
  Result<msg::PreviewReply> preview(const msg::PreviewRequest& request, const bus::Peer& peer);
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
  // Instances that end, and who waits to hear that nobody calls them.
  struct Leave {
    discovery::Model::Key key;
    Instant until;
    std::vector<discovery::Model::Key> services;  // host, namespace
    bus::Reply<msg::LeaveReply> reply;
  };
  std::list<Leave> leaves_;
  discovery::Checks checks_;
  const Instant started_ = clock_.now();
  std::map<std::string, bus::Node> grouped_;  // the words of nodes that name a group
  discovery::Roster roster_;
  uint64_t saved_roster_ = 0;
  std::shared_ptr<const discovery::Objects> objects_;  // null: none yet
  std::shared_ptr<discovery::Model> model_;            // of these
  std::vector<std::string> problems_;
  event::Timer soon_;
  event::Timer save_timer_;
  event::Timer expiry_;
  event::Timer roster_expiry_;
  event::Timer roster_soon_;  // saves
  event::Timer leaves_timer_;
  event::Timer refused_timer_;
  Publisher publisher_;
  Names names_;
  bus::Client configd_;
  ConfigSource source_;
  KeyKeeper keys_;
  std::unique_ptr<XdsServer> xds_;  // null: not served
  bool instances_changed_ = true;   // since they were shared
  event::Timer share_timer_;
  std::unique_ptr<SharedState> shared_;  // null: no etcd
  event::MemoryTrimmer trimmer_;
};

}  // namespace mesh::discoveryd

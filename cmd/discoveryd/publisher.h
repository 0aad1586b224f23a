// Publisher: compiled resources to the forwarders that watch them.
//
// Four watch types, one forwarder a node id, and a fifth by which forwarders that
// subscribe on demand say which hosts they need. What each has is the catalog's
// (discovery/catalog.h); here it is offered to its watches, and what becomes of it
// is kept. One thread.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "bus/server.h"
#include "bus/watch.h"
#include "discovery/catalog.h"
#include "discovery/refusals.h"

namespace mesh::discoveryd {

using discovery::kTypes;
using discovery::Type;
std::string_view type_url(Type type);

// A forwarder as status tells of it.
struct Forwarder final : discovery::Catalog::Member {
  discovery::Node node;
  std::string client;  // what it calls itself; empty: a forwarder
  uint32_t uid = 0;
  uint32_t pid = 0;  // 0: not known
  Instant connected;
  std::string sent;
  Instant sent_since;
  std::string in_force;
  Instant in_force_since;
  size_t open = 0;                        // watches, subscribed or not yet
  std::map<bus::Watcher*, Type> watches;  // that have subscribed: these may be marked
  std::map<bus::Watcher*, std::string> acked;
  Instant acked_since;
  struct Rejection {
    std::string version;
    std::string reason;
    std::string origin;  // of the refused part, as discovery/provenance.h has it
    Instant since;
  };
  std::map<std::pair<Type, std::string>, Rejection> rejections;

  // On demand: the hosts it asked for, by the watches that do. It is told nothing
  // before the first of these has subscribed.
  bool on_demand = false;
  std::map<bus::Watcher*, discovery::Catalog::Hosts> asks;
  bool served() const { return !on_demand || !asks.empty(); }
  // All of these; nothing: it gets everything.
  std::optional<discovery::Hosts> asked() const;
  // The node as it gets resources of the model: on demand of the hosts it asked for, and of
  // these as if it had.
  discovery::Node node_for(const discovery::Model& model, const discovery::Hosts& more) const;
  // Names that are not answered yet: an answer follows the resources that belong to it.
  std::map<bus::Watcher*, discovery::Catalog::Hosts> unanswered;
  // Those that came meanwhile: they get their resources together, once the others are answered.
  std::map<bus::Watcher*, discovery::Catalog::Hosts> waiting;
  bool watches_all() const;  // types
  bool settled() const;      // so it does, and all that was sent is acknowledged

  // What all of its watches have acknowledged; empty where they differ.
  std::string acked_by_all() const;

  void on_changed(Type type, const discovery::Resource& resource) override;
  void on_removed(Type type, const std::string& name) override;
  std::array<bool, kTypes> unmarked{};  // changed since the last mark
  std::set<Forwarder*>* changed = nullptr;
};

class Publisher {
 public:
  struct Observer {
    // Says of a node what others know of it, before it is served.
    std::function<void(discovery::Node&, const bus::Node&)> complete;
    // A forwarder opened a watch, answered one, or one of its watches ended.
    std::function<void(const discovery::Node&, const bus::Node&)> arrived;
    std::function<void()> answered;
    std::function<void(const discovery::Node&, const bus::Node&)> left;
    // One that was not before is refused, or for another reason.
    std::function<void()> refused;
  };

  Publisher(const Clock& clock, Observer observer);
  void serve(bus::Server& server);
  // For watchers that are not the bus's.
  bus::WatchProvider& provider(Type type);

  // The model of a new generation, and what of it may be different.
  void publish(std::shared_ptr<const discovery::Model> model, const discovery::Extent& extent);
  // The instance has changed in the model, and with it these services' endpoints.
  void publish_instance(const discovery::Model::Key& key,
                        const std::vector<const discovery::Service*>& services);
  // The node is told of as this from now on.
  void set_node(const std::string& id, discovery::Node node);
  // Of the forwarders that have endpoints of these services: how many, and how many
  // of them have not answered what they were sent.
  struct Unanswered {
    size_t all = 0;
    size_t pending = 0;
  };
  Unanswered unanswered(const std::vector<const discovery::Service*>& services) const;
  // Says that what was changed is complete; after one or several publish_instance().
  void finish();

  const std::shared_ptr<const discovery::Model>& model() const { return catalog_.model(); }
  const std::map<std::string, Forwarder>& forwarders() const { return forwarders_; }
  // Those that are refused and ask again. forget_refused() forgets who does not; true
  // where anybody is left.
  const discovery::Refusals& refusals() const { return refusals_; }
  bool forget_refused();
  // Where the origin stands in the files of the generation served; empty: not known.
  std::string place(std::string_view origin) const {
    return model() == nullptr ? std::string() : model()->objects().places->place(origin);
  }
  const discovery::Catalog& catalog() const { return catalog_; }

 private:
  class Provider;
  class ResourceProvider;
  class HostProvider;

  Result<void> open(bus::Watcher& watcher);
  void refuse(const bus::Watcher& watcher, const Error& error);
  Forwarder* find(bus::Watcher& watcher);
  void mark(Forwarder& forwarder);
  void set_sent(Forwarder& forwarder);
  // Offers all of one type to one watch.
  void offer(Forwarder& forwarder, bus::Watcher& watcher, Type type);
  void answer_hosts(Forwarder& forwarder);
  // What a host is answered with, by the services that it brings.
  struct Answer {
    std::string version;
    std::shared_ptr<const std::string> body;
  };
  const Answer& answer(const discovery::Catalog::Hosts& services);
  void tell_hosts(Forwarder& forwarder);
  void ask(Forwarder& forwarder);

  const Clock& clock_;
  const Observer observer_;
  std::array<std::unique_ptr<ResourceProvider>, kTypes> providers_;
  std::unique_ptr<HostProvider> hosts_;
  discovery::Catalog catalog_;
  std::map<std::string, Forwarder> forwarders_;  // by node id
  discovery::Refusals refusals_;
  std::map<bus::Watcher*, Forwarder*> by_watcher_;
  std::set<Forwarder*> changed_;
  std::map<discovery::Catalog::Hosts, Answer> answers_;  // of late

 public:
  ~Publisher();
};

}  // namespace mesh::discoveryd

// Publisher: compiled resources to the forwarders that watch them.
//
// Four watch types, one forwarder a node id. At a new generation everything is
// compiled for everybody and offered; the bus sends what differs by version. A
// change of instances alone recompiles the assignments of their services and
// offers these to who watches them. Equal bytes are shared. One thread.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/clock.h"
#include "bus/server.h"
#include "bus/watch.h"
#include "discovery/compile/compile.h"

namespace mesh::discoveryd {

// In the order in which they are marked: clusters before the routes that name
// them (make before break).
enum class Type : uint8_t { Cluster, Endpoints, Listener, Routes };
inline constexpr size_t kTypes = 4;
std::string_view type_url(Type type);

// A forwarder as status tells of it.
struct Forwarder {
  discovery::Node node;
  std::string client;  // what it calls itself; empty: a forwarder
  uint32_t uid = 0;
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
  std::array<std::map<std::string, discovery::Resource>, kTypes> resources;

  // What all of its watches have acknowledged; empty where they differ.
  std::string acked_by_all() const;
};

class Publisher {
 public:
  // A forwarder opened a watch, or one of its watches ended.
  struct Observer {
    std::function<void(const discovery::Node&, const bus::Node&)> arrived;
    std::function<void(const discovery::Node&)> left;
  };

  Publisher(const Clock& clock, Observer observer);
  void serve(bus::Server& server);
  // For watchers that are not the bus's.
  bus::WatchProvider& provider(Type type) { return *providers_[size_t(type)]; }

  // The model of a (new) generation, or of changed instances.
  void publish(std::shared_ptr<const discovery::Model> model);

  const std::shared_ptr<const discovery::Model>& model() const { return model_; }
  const std::map<std::string, Forwarder>& forwarders() const { return forwarders_; }
  // Where the origin stands in the files of the generation served; empty: not known.
  std::string place(std::string_view origin) const {
    return model_ == nullptr ? std::string() : model_->objects().places->place(origin);
  }

 private:
  class Provider final : public bus::WatchProvider {
   public:
    Provider(Publisher& publisher, Type type) : publisher_(publisher), type_(type) {}
    Result<void> on_open(bus::Watcher& watcher) override;
    void on_subscribe(bus::Watcher& watcher, const std::vector<std::string>& names) override;
    void on_ack(bus::Watcher& watcher, std::string_view generation) override;
    void on_nack(bus::Watcher& watcher, std::string_view name, std::string_view version,
                 std::string_view reason) override;
    void on_in_force(bus::Watcher& watcher, std::string_view generation) override;
    void on_gone(bus::Watcher& watcher) override;

   private:
    Publisher& publisher_;
    const Type type_;
  };

  Forwarder* find(bus::Watcher& watcher);
  void compile(Forwarder& forwarder);
  void compile_endpoints(Forwarder& forwarder, const discovery::Service& service);
  void take(Forwarder& forwarder, Type type, std::vector<discovery::Resource> resources);
  void mark(Forwarder& forwarder);
  void set_sent(Forwarder& forwarder);
  // Offers all of one type to one watch.
  void offer(Forwarder& forwarder, bus::Watcher& watcher, Type type);
  bool publish_instances(const discovery::Model& before);

  const Clock& clock_;
  const Observer observer_;
  std::array<std::unique_ptr<Provider>, kTypes> providers_;
  std::shared_ptr<const discovery::Model> model_;  // null: nothing to serve yet
  std::map<std::string, Forwarder> forwarders_;    // by node id
  std::map<bus::Watcher*, std::string> by_watcher_;
  // Bodies that somebody holds, by their version: equal ones are one.
  std::map<std::string, std::weak_ptr<const std::string>> shared_;
};

}  // namespace mesh::discoveryd

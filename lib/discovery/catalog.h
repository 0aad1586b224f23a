// Catalog: the resources of every node that is served, kept up to date by as
// little work as a change needs.
//
// What a service is compiled to is one unit, shared by all nodes that see it alike
// (a view: the node's words that rules may ask for). Nodes that see the same
// services alike are one scope: its listeners, routes, and the units in it. What a
// node's own workload needs is its own. A changed instance recompiles the units of
// its services, a changed rule the scopes that have its host; members hear of what
// is different afterwards, by version. Pure, one thread.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "discovery/compile/compile.h"
#include "discovery/demand.h"
#include "discovery/model.h"

namespace mesh::discovery {

// In the order in which they are marked: clusters before the routes that name
// them (make before break).
enum class Type : uint8_t { Cluster, Endpoints, Listener, Routes };
inline constexpr size_t kTypes = 4;

using ResourcePtr = std::shared_ptr<const Resource>;

// How far a change of objects reaches.
struct Extent {
  bool all = false;                                              // everywhere
  std::set<std::string, std::less<>> hosts = {};                 // services and rules of these
  std::set<std::pair<std::string, std::string>> workloads = {};  // nodes of these
  bool ports = false;  // those of `hosts` may be other ones: what listens by port is reached
};

class Catalog {
 public:
  using Hosts = discovery::Hosts;

  // Who is told what changed for its node. May not call the catalog from within.
  class Member {
   public:
    virtual void on_changed(Type type, const Resource& resource) = 0;
    virtual void on_removed(Type type, const std::string& name) = 0;

   protected:
    ~Member() = default;
  };

  // Before the first there is nothing. `extent`: what may be different from the
  // model before.
  void set_model(std::shared_ptr<const Model> model, const Extent& extent);
  const std::shared_ptr<const Model>& model() const { return model_; }
  // Instances of these services, which are the model's, have changed in place.
  void on_instances(const std::vector<const Service*>& services);
  // The instance itself has: nodes that are it have other listeners.
  void on_workload(const std::pair<std::string, std::string>& key);

  // The member outlives its membership. Setting the node again tells what is
  // different now. `asked`, on demand: what the member asks for, as requests name it,
  // HOST or HOST:PORT; it gets what demand_of() says.
  // Nothing: all that it may see. An arrival costs what is asked for.
  void set(Member& member, Node node, std::optional<Hosts> asked = std::nullopt);
  void leave(Member& member);
  void set_asked(Member& member, std::optional<Hosts> asked);
  // The hosts that come with one of these; nothing: nobody has it.
  std::optional<Hosts> find(const Member& member, std::string_view asked) const;

  // All that the member has now, by name within each part.
  void each(const Member& member, Type type,
            const std::function<void(const Resource&)>& visit) const;
  size_t size(const Member& member) const;
  const Resource* find(const Member& member, Type type, std::string_view name) const;
  // Whether the last change of the model may have reached the member.
  bool touched(const Member& member) const;

  // What was compiled since the start, in units and scopes: for tests and status.
  struct Stats {
    uint64_t units = 0;
    uint64_t scopes = 0;
    uint64_t own = 0;
    uint64_t listeners = 0;  // those of scopes, all at a time
  };
  const Stats& stats() const { return stats_; }

 private:
  using Resources = std::vector<ResourcePtr>;  // by name
  using Sets = std::array<Resources, kTypes>;
  using ServiceKey = std::pair<std::string, std::string>;  // host, namespace
  struct Scope;
  // A service as a view sees it.
  struct Unit {
    ServiceKey key;
    Resources clusters;
    Resources endpoints;
    std::map<std::string, RouteParts> routes;  // those that were asked for, by the Sidecar
    std::set<Scope*> scopes;
  };
  struct View {
    Node node;
    std::map<ServiceKey, std::weak_ptr<Unit>> units;
  };
  struct Built {
    Sets sets;
    std::vector<std::shared_ptr<Unit>> units;
  };
  // The listeners of scopes that differ by the hosts that are asked for alone.
  struct Listening {
    Node node;  // masked; `hosts` is null or not
    std::string chosen;
    uint64_t round = 0;
    Resources listeners;
  };
  struct Scope {
    Node node;           // of whoever came last, masked
    std::string chosen;  // by labels: Sidecar, gateways
    std::shared_ptr<View> view;
    std::shared_ptr<Listening> listening;
    std::shared_ptr<Built> built;
    std::set<Member*> members;
    uint64_t round = 0;  // in which it was built
  };
  struct Entry {
    Member* member = nullptr;
    Node node;
    std::optional<Hosts> asked;
    Demand demand;       // where it asks
    uint64_t round = 0;  // in which it was last touched
    std::shared_ptr<Scope> scope;
    Sets own;
  };
  struct Difference;

  std::shared_ptr<View> view_of(const Node& node);
  std::shared_ptr<Scope> scope_of(Entry& entry);
  const Resources& listen(Scope& scope);
  std::shared_ptr<Unit> unit_of(View& view, const Service& service);
  void compile(Unit& unit, const View& view, const Service& service);
  void compile(Scope& scope);
  Resources compile_routes(const Scope& scope, const Built& built);
  void drop(View& view, const Extent& extent);
  Sets own_of(const Node& node);
  ResourcePtr shared(Resource resource);
  Resources shared(std::vector<Resource> resources);
  void move(Entry& entry, std::shared_ptr<Scope> scope);
  void touch(Entry& entry, bool own);
  bool reaches(const Entry& entry, const Extent& extent) const;
  bool reaches_own(const Entry& entry, const Extent& extent) const;
  void replace(Unit& unit, Type type, Resources& held, Resources now);
  static void tell(const Difference& difference, Type type, Member& member);
  static Difference difference(const Resources& before, const Resources& now);

  std::shared_ptr<const Model> model_;
  std::map<const Member*, Entry> entries_;
  std::map<std::pair<std::string, std::string>, std::set<Member*>> by_workload_;
  std::unordered_multimap<std::string, std::weak_ptr<View>> views_;            // by namespace
  std::unordered_multimap<std::string, std::weak_ptr<Listening>> listenings_;  // by namespace
  std::unordered_multimap<std::string, std::weak_ptr<Scope>> scopes_;      // by namespace and hosts
  std::unordered_map<std::string, std::weak_ptr<const Resource>> shared_;  // by version
  uint64_t round_ = 0;                                                     // of models
  uint64_t instance_changes_ = 0;
  Stats stats_;
};

}  // namespace mesh::discovery

// HealthChecker: the active health checks of all clusters.
//
// One prober for all workers: what it finds it writes into SharedEndpoint::check,
// and workers see it by SharedCluster::epoch(). A host is known by cluster and
// address, so that what was found survives a change of configuration. At most
// kChecksMax checks at once; the others wait their turn. Semantics: Envoy, arch
// overview, "Health checking". Main thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/random.h"
#include "event/loop.h"
#include "http/read_buffer.h"
#include "upstream/cluster_spec.h"
#include "upstream/event_log.h"

namespace mesh::upstream {

class HealthChecker {
 public:
  static constexpr size_t kChecksMax = 128;

  // What a result may ask for beyond its own host.
  class Owner {
   public:
    // A check succeeded that brings the host back from its ejection.
    virtual void on_unejected() = 0;
    // A host was checked for the first time, whatever came of it.
    virtual void on_first_check() = 0;

   protected:
    ~Owner() = default;
  };

  // All outlive us.
  HealthChecker(event::Loop& loop, Random& random, EventLog& log, Owner& owner);
  ~HealthChecker();

  using Clusters = std::map<std::string, std::shared_ptr<const ClusterSpec>, std::less<>>;
  // The clusters from now on, and those that wait until their hosts are checked; null: none
  // does. Not inside a call of ours.
  void use(const Clusters* clusters, const Clusters* coming = nullptr);
  // A worker may have failed a host at once: takes that over.
  void look();

  size_t size() const { return sessions_.size(); }  // hosts that are checked

  // How a host is, once it was checked.
  struct Finding {
    std::string_view cluster;
    std::string_view host;  // ADDRESS:PORT or a path
    bool healthy;
    std::string_view why;  // of the last check that failed; may be empty
  };
  // All of them, by cluster and host; views that hold during the call.
  void each(const std::function<void(const Finding&)>& visit) const;

 private:
  class Session;
  friend class Session;
  using Key = std::pair<std::string, std::string>;
  void check(const Clusters& clusters, std::set<Key>& wanted);
  void want(Session& session);
  void finished();

  event::Loop& loop_;
  http::BlockPool blocks_{8};
  Random& random_;
  EventLog& log_;
  Owner& owner_;
  std::map<Key, std::unique_ptr<Session>> sessions_;  // by cluster and address
  std::deque<Session*> waiting_;
  size_t running_ = 0;
};

// Whether a host of the cluster awaits its first check.
bool awaits_first_check(const ClusterSpec& cluster);

}  // namespace mesh::upstream

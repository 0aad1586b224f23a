// DnsClusters: the names of STRICT_DNS and LOGICAL_DNS clusters, kept resolved.
//
// Each name is asked for anew by its cluster's dns_refresh_rate; after a failure
// with a growing wait, while the addresses last known stay. Main thread.
// Source: Envoy, "Service discovery", and config.cluster.v3.Cluster.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "event/timer.h"
#include "net/resolver.h"
#include "xds/values.h"

namespace mesh::forward {

class DnsClusters {
 public:
  using Assignment = std::shared_ptr<const xds::ClusterLoadAssignment>;

  // `changed`: an assignment is another, or a cluster came to be resolved. Outside of set().
  DnsClusters(event::Loop& loop, std::function<void()> changed,
              net::Resolver::Lookup lookup = net::Resolver::system_lookup);

  // The clusters from now on; those that stay keep what they know.
  void set(const xds::Config& config);

  // Whether each of its names was answered or failed once; so it is with a cluster that has none.
  bool resolved(const std::string& cluster) const;

  // Null for a cluster that has no names. The same pointer while nothing changed.
  Assignment assignment(const std::string& cluster) const;

 private:
  struct Name {
    net::Resolver::Addresses good;  // what was answered last
    bool answered = false;          // or failed, once
    bool asking = false;
    bool failing = false;
    Duration wait{0};  // after the next failure
    Instant next{};
  };
  struct Cluster {
    std::shared_ptr<const xds::Cluster> config;
    std::map<std::string, Name> names;
    Assignment assignment;
  };

  void ask_due();
  void on_answer(const std::string& cluster, const std::string& name,
                 Result<net::Resolver::Addresses> answer);
  void take(Cluster& cluster, const std::string& host, Name& name,
            Result<net::Resolver::Addresses> answer);
  void compose(Cluster& cluster);

  event::Loop& loop_;
  const std::function<void()> changed_;
  Random random_;
  std::map<std::string, Cluster> clusters_;
  event::Timer timer_;
  net::Resolver resolver_;
};

}  // namespace mesh::forward

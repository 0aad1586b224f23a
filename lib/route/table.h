// Table: which route a request takes.
//
// A RouteConfiguration as immutable values: virtual hosts by domain (exact,
// then longest "*.suffix", then longest "prefix.*", then "*"), in each the
// first route whose match holds (Envoy, config.route.v3). Built once, shared
// by all workers as const, used alike by the forwarder and by `mesh why`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "route/route.h"

namespace mesh::route {

// How authorities and paths are looked at: RouteConfiguration.
struct TableOptions {
  // "host:port" takes the virtual host of "host" (domains then name no port).
  bool ignore_port = false;
  // ";..." behind the path is not part of what is matched.
  bool ignore_path_parameters = false;
};

// How much was looked at to find a route.
struct SearchCost {
  size_t nodes = 0;   // of the index
  size_t routes = 0;  // whose conditions were asked
};

class Table {
 public:
  // Compiles regexes (RE2) and the domain index. Errc::Invalid names the
  // virtual host and route: duplicate domain, regex that does not compile or is
  // too large, weights that sum to zero. Limits: 4 KiB a pattern, 4096 virtual
  // hosts, 200000 routes in all, 10000 of them by regex: that bounds the time too.
  static Result<std::shared_ptr<const Table>> build(std::string name,
                                                    std::vector<VirtualHost> hosts,
                                                    TableOptions options = {});
  ~Table();

  const std::string& name() const;
  // Null where no virtual host has the authority. Letters' case does not
  // matter. A port is part of the authority and is matched as such (Envoy's
  // default): a virtual host lists "host" and "host:port".
  const VirtualHost* find_host(std::string_view authority) const;
  // Null where no host or no route matches. No allocation. `cost`, where given, says
  // what it took.
  const Route* find(const Request& request, SearchCost* cost = nullptr) const;
  const std::vector<VirtualHost>& hosts() const;
  const TableOptions& options() const;
  // Whether a route asks for header fields, parameters or claims: what a filter can change.
  bool looks_beyond_path() const;

 private:
  struct Index;
  explicit Table(std::unique_ptr<Index> index);
  std::unique_ptr<Index> index_;
};

// Picks a cluster of a route by weight. `chance` is uniform 64 bits.
const WeightedCluster& pick_cluster(const Route& route, uint64_t chance);

}  // namespace mesh::route

// Warming: clusters that are not ready to be used, and since when.
//
// A cluster that is new, or was changed, is ready when its endpoints are known (EDS has told them;
// its names were answered, or failed, once) and each of them was checked once where it has health
// checks; or when that takes too long. Hosts that come to a cluster in use are not waited for.
// Envoy: cluster warming. Main thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "upstream/cluster.h"
#include "xds/values.h"

namespace mesh::forward {

class Warming {
 public:
  explicit Warming(Duration longest = upstream::Cluster::kColdMax) : longest_(longest) {}

  // Whether `next` may be used as it is. `now` is what is in use by its name, or null; `known`: its
  // endpoints are.
  bool ready(const upstream::ClusterSpec& next, const upstream::ClusterSpec* now, bool known,
             Instant at);
  // Of others nothing is known any more.
  void keep_only(const xds::Config& config);

  // When the first of those that are not ready is waited for no longer; nothing: there are none.
  std::optional<Instant> next() const;
  std::vector<std::string> names() const;
  size_t size() const { return since_.size(); }

 private:
  const Duration longest_;
  std::map<std::string, Instant, std::less<>> since_;
};

}  // namespace mesh::forward

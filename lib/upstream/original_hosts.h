// OriginalHosts: the hosts of a cluster of type ORIGINAL_DST over all workers.
//
// What workers share about a destination, found by its address and kept for as long as a
// worker uses it. Any thread; asked when a worker meets a destination that is new to it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace mesh::upstream {

struct SharedEndpoint;

class OriginalHosts {
 public:
  // At once, of a cluster: beyond, requests to destinations that are not known are refused.
  static constexpr size_t kMost = 10'000;

  // Null: there are kMost others.
  std::shared_ptr<SharedEndpoint> find(const std::string& address);

  // Those in use, by address.
  std::vector<std::pair<std::string, std::shared_ptr<SharedEndpoint>>> list() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::weak_ptr<SharedEndpoint>> hosts_;
  size_t sweep_at_ = 64;
};

}  // namespace mesh::upstream

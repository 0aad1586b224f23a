#include "upstream/original_hosts.h"

#include <algorithm>

#include "upstream/cluster_spec.h"

namespace mesh::upstream {

std::shared_ptr<SharedEndpoint> OriginalHosts::find(const std::string& address) {
  const std::lock_guard lock(mutex_);
  if (const auto found = hosts_.find(address); found != hosts_.end())
    if (auto host = found->second.lock()) return host;
  if (hosts_.size() >= sweep_at_) {
    std::erase_if(hosts_, [](const auto& entry) { return entry.second.expired(); });
    if (hosts_.size() >= kMost) return nullptr;
    sweep_at_ = std::min(kMost, 2 * hosts_.size() + 64);
  }
  auto host = std::make_shared<SharedEndpoint>();
  hosts_[address] = host;
  return host;
}

std::vector<std::pair<std::string, std::shared_ptr<SharedEndpoint>>> OriginalHosts::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, std::shared_ptr<SharedEndpoint>>> result;
  for (const auto& [address, known] : hosts_)
    if (auto host = known.lock()) result.emplace_back(address, std::move(host));
  return result;
}

}  // namespace mesh::upstream

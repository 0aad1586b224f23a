// HostIndex: which objects of a list speak of a host, by their places in it. Inside
// of lib/discovery only.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/text.h"

namespace mesh::discovery {

class HostIndex {
 public:
  void clear() {
    exact_.clear();
    wild_.clear();
  }
  // "*" and "*.example.org" too.
  void add(const std::string& host, size_t place) {
    auto& to = host.starts_with('*') ? wild_ : exact_[host];
    if (to.empty() || to.back() != place) to.push_back(place);
  }
  // Those that name the host, in order; then all with a wildcard, in order.
  template <class Visit>
  void each(const std::string& host, const Visit& visit) const {
    if (const auto found = exact_.find(host); found != exact_.end())
      for (const size_t place : found->second) visit(place);
    for (const size_t place : wild_) visit(place);
  }

 private:
  std::unordered_map<std::string, std::vector<size_t>> exact_;
  std::vector<size_t> wild_;
};

}  // namespace mesh::discovery

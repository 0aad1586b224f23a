// Checks: what forwarders' active health checks find, by the address that is dialed.
//
// Whoever is checked by some and found ill by all of them is ill for the mesh; where
// they differ, each calls whom it can reach. Pure, one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

namespace mesh::discovery {

class Checks {
 public:
  static constexpr size_t kFindingsMax = 500'000;

  // What the node finds now, instead of what it found before: ADDRESS:PORT or a path,
  // and whether it is well. False: there are too many; the node then says nothing.
  using Findings = std::map<std::string, bool>;
  bool set(const std::string& node, Findings findings);
  void drop(const std::string& node);

  struct Count {
    uint32_t checked = 0;  // by so many nodes
    uint32_t failed = 0;   // so many of them find it ill
    bool all_failed() const { return checked > 0 && failed == checked; }
  };
  Count of(const std::string& address) const;

 private:
  std::map<std::string, Findings> by_node_;
  std::unordered_map<std::string, Count> by_address_;
  size_t size_ = 0;
};

}  // namespace mesh::discovery

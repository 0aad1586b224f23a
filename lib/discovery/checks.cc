#include "discovery/checks.h"

#include <utility>

namespace mesh::discovery {

bool Checks::set(const std::string& node, Findings findings) {
  if (const auto known = by_node_.find(node); known != by_node_.end() && known->second == findings)
    return true;
  drop(node);
  if (size_ + findings.size() > kFindingsMax) return false;
  if (findings.empty()) return true;
  for (const auto& [address, healthy] : findings) {
    Count& count = by_address_[address];
    ++count.checked;
    count.failed += !healthy;
  }
  size_ += findings.size();
  by_node_.insert_or_assign(node, std::move(findings));
  return true;
}

void Checks::drop(const std::string& node) {
  const auto known = by_node_.find(node);
  if (known == by_node_.end()) return;
  for (const auto& [address, healthy] : known->second) {
    const auto count = by_address_.find(address);
    count->second.failed -= !healthy;
    if (--count->second.checked == 0) by_address_.erase(count);
  }
  size_ -= known->second.size();
  by_node_.erase(known);
}

Checks::Count Checks::of(const std::string& address) const {
  const auto found = by_address_.find(address);
  return found == by_address_.end() ? Count() : found->second;
}

}  // namespace mesh::discovery

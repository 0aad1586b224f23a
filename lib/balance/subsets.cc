#include "balance/subsets.h"

#include <algorithm>

namespace mesh::balance {
namespace {

// No key or value as text holds these.
constexpr char kAfterKey = '\x1f';
constexpr char kAfterValue = '\x1e';

void add(std::string& out, const std::pair<std::string, std::string>& entry) {
  out.append(entry.first).push_back(kAfterKey);
  out.append(entry.second).push_back(kAfterValue);
}

const std::pair<std::string, std::string>* find(const Metadata& metadata, const std::string& key) {
  const auto found = std::find_if(metadata.begin(), metadata.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  return found == metadata.end() ? nullptr : &*found;
}

}  // namespace

std::string subset_key(const Metadata& metadata) {
  std::string result;
  for (const auto& entry : metadata) add(result, entry);
  return result;
}

std::optional<std::string> subset_key(const Metadata& metadata, std::span<const std::string> keys) {
  std::string result;
  for (const std::string& key : keys) {
    const auto* const entry = find(metadata, key);
    if (entry == nullptr) return std::nullopt;
    add(result, *entry);
  }
  return result;
}

bool has_keys(std::string_view subset, std::span<const std::string> keys) {
  for (const std::string& key : keys) {
    if (!subset.starts_with(key)) return false;
    subset.remove_prefix(key.size());
    if (subset.empty() || subset.front() != kAfterKey) return false;
    subset.remove_prefix(std::min(subset.size(), subset.find(kAfterValue) + 1));
  }
  return subset.empty();
}

bool contains(const Metadata& metadata, const Metadata& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& entry) {
    const auto* const found = find(metadata, entry.first);
    return found != nullptr && found->second == entry.second;
  });
}

}  // namespace mesh::balance

#include "balance/subsets.h"

#include <algorithm>

namespace mesh::balance {
namespace {

const std::pair<std::string, std::string>* find(const Metadata& metadata, const std::string& key) {
  const auto found = std::find_if(metadata.begin(), metadata.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  return found == metadata.end() ? nullptr : &*found;
}

}  // namespace

std::optional<Metadata> select(const Metadata& metadata, std::span<const std::string> keys) {
  Metadata result;
  for (const std::string& key : keys) {
    const auto* const entry = find(metadata, key);
    if (entry == nullptr) return std::nullopt;
    result.push_back(*entry);
  }
  return result;
}

bool has_keys(const Metadata& subset, std::span<const std::string> keys) {
  return std::equal(subset.begin(), subset.end(), keys.begin(), keys.end(),
                    [](const auto& entry, const std::string& key) { return entry.first == key; });
}

bool contains(const Metadata& metadata, const Metadata& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& entry) {
    const auto* const found = find(metadata, entry.first);
    return found != nullptr && found->second == entry.second;
  });
}

}  // namespace mesh::balance

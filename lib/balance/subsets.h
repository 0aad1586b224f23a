// Subsets: parts of a cluster's hosts by their metadata.
//
// Semantics: Envoy, arch overview, "Load balancer subsets": a selector is a set of
// keys; hosts that have all of them make a subset for each combination of values; a
// request is for the subset whose keys and values are exactly its own.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "balance/host.h"

namespace mesh::balance {

struct SubsetOptions {
  enum class Fallback : uint8_t { NoFallback, AnyEndpoint, DefaultSubset };
  struct Selector {
    std::vector<std::string> keys;  // in order, each once
    std::optional<Fallback> fallback;
    bool operator==(const Selector&) const = default;
  };
  Fallback fallback = Fallback::NoFallback;
  Metadata default_subset;
  std::vector<Selector> selectors;
  bool locality_weight_aware = false;
  bool operator==(const SubsetOptions&) const = default;
};

// Of one cluster: what more than this many have no subset of their own.
inline constexpr size_t kSubsetsMax = 1024;

// The metadata's entries of these keys; nullopt where one is missing.
std::optional<Metadata> select(const Metadata& metadata, std::span<const std::string> keys);
// Whether it has just these keys.
bool has_keys(const Metadata& subset, std::span<const std::string> keys);
// All of `wanted` are in the metadata.
bool contains(const Metadata& metadata, const Metadata& wanted);

}  // namespace mesh::balance

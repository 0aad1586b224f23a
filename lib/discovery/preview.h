// Preview: what other resources a node gets of one model than of another.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/compile/compile.h"

namespace mesh::discovery {

// By type URL, then name: all that the node gets, of every host it may see or, on demand, of
// Node::hosts.
using Whole = std::map<std::string_view, std::map<std::string, Resource>>;
Whole compile_whole(const Model& model, const Node& node);

// A resource that both have, or one of them.
struct ResourceDiff {
  std::string_view type_url;
  std::string name;
  std::shared_ptr<const std::string> before;  // null: is added
  std::shared_ptr<const std::string> after;   // null: is removed
  bool same = false;
};

// By type URL and name; also those that are the same.
std::vector<ResourceDiff> compare(const Whole& before, const Whole& after);

}  // namespace mesh::discovery

// PathIndex: which of a virtual host's routes a path can take, without asking each.
//
// Exact paths by hash, prefixes by a radix tree, the rest (regexes, CONNECT) as a
// list. What it gives are lists of places in the order of the host's routes, each
// in ascending order; together they hold every route whose path matches, and some
// whose path does not (a path-separated prefix that ends within a segment). The
// first route whose whole match holds is the lowest place of all lists for which it
// does, so that order is kept whatever the kind of match.
//
// Built once, const then, any thread. Views into the matches, which outlive it.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/text.h"
#include "route/route.h"

namespace mesh::route {

// The prefixes of one virtual host, letters as they stand or in lower case.
class PrefixTree {
 public:
  using Places = std::vector<uint32_t>;

  // `prefixes` and what they view outlive it; places ascend.
  explicit PrefixTree(std::vector<std::pair<std::string_view, uint32_t>> prefixes);

  bool empty() const { return nodes_.empty(); }

  // Calls visit(std::span<const uint32_t>) for each prefix that `path` begins with,
  // the shortest first. Returns the number of nodes looked at.
  template <bool kLower, class Visit>
  size_t each(std::string_view path, Visit&& visit) const;

 private:
  struct Node {
    std::string_view edge;  // what leads here
    uint32_t first_child = 0;
    uint32_t children = 0;
    uint32_t places_begin = 0;
    uint32_t places_end = 0;
  };
  // The strings [begin, end) of the build, which share what leads to `node`.
  struct Range {
    uint32_t node;
    size_t begin, end;
    size_t depth;
  };
  void expand(const std::vector<std::pair<std::string_view, uint32_t>>& sorted, Range range,
              std::vector<Range>& todo);

  std::vector<Node> nodes_;     // the root first; siblings side by side
  std::vector<uint8_t> first_;  // of each node's edge: what a search looks through
  Places places_;
};

class PathIndex {
 public:
  // `routes` outlives it and does not change.
  explicit PathIndex(const std::vector<Route>& routes);

  // Calls visit(std::span<const uint32_t>) for each list. Returns the work it took:
  // nodes and tables looked at.
  template <class Visit>
  size_t each(std::string_view path, Visit&& visit) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  // Letters of either case fall together.
  struct LowerHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const;
  };
  struct LowerEqual {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return text::iequals(a, b); }
  };
  template <class H, class E>
  using Exact = std::unordered_map<std::string_view, std::vector<uint32_t>, H, E>;

  Exact<Hash, std::equal_to<>> exact_;
  Exact<LowerHash, LowerEqual> exact_lower_;
  std::vector<std::unique_ptr<const std::string>> lowered_;  // what prefixes_lower_ views
  std::vector<uint32_t> others_;
  PrefixTree prefixes_;
  PrefixTree prefixes_lower_;
};

inline char to_lower_ascii(char c) { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; }

template <bool kLower, class Visit>
size_t PrefixTree::each(std::string_view path, Visit&& visit) const {
  if (nodes_.empty()) return 0;
  size_t looked_at = 0;
  const Node* node = nodes_.data();
  for (;;) {
    ++looked_at;
    if (node->places_begin != node->places_end)
      visit(std::span(places_).subspan(node->places_begin, node->places_end - node->places_begin));
    if (path.empty() || node->children == 0) return looked_at;
    const char next = kLower ? to_lower_ascii(path.front()) : path.front();
    const uint8_t* const begin = first_.data() + node->first_child;
    const void* const found = std::memchr(begin, uint8_t(next), node->children);
    if (found == nullptr) return looked_at;
    node = nodes_.data() + node->first_child + (static_cast<const uint8_t*>(found) - begin);
    const std::string_view edge = node->edge;
    if (path.size() < edge.size()) return looked_at;
    if constexpr (kLower) {
      for (size_t i = 0; i < edge.size(); ++i)
        if (to_lower_ascii(path[i]) != edge[i]) return looked_at;
    } else {
      if (path.substr(0, edge.size()) != edge) return looked_at;
    }
    path.remove_prefix(edge.size());
  }
}

template <class Visit>
size_t PathIndex::each(std::string_view path, Visit&& visit) const {
  size_t work = 0;
  if (!exact_.empty()) {
    ++work;
    if (const auto found = exact_.find(path); found != exact_.end())
      visit(std::span<const uint32_t>(found->second));
  }
  if (!exact_lower_.empty()) {
    ++work;
    if (const auto found = exact_lower_.find(path); found != exact_lower_.end())
      visit(std::span<const uint32_t>(found->second));
  }
  work += prefixes_.each<false>(path, visit);
  work += prefixes_lower_.each<true>(path, visit);
  // Last: these cost most to ask, and a place above the best one found is not asked.
  if (!others_.empty()) visit(std::span<const uint32_t>(others_));
  return work;
}

}  // namespace mesh::route

#include "route/path_index.h"

#include <algorithm>

namespace mesh::route {
namespace {

using Prefixes = std::vector<std::pair<std::string_view, uint32_t>>;

size_t common_prefix(std::string_view a, std::string_view b) {
  const auto end =
      std::mismatch(a.begin(), a.begin() + ptrdiff_t(std::min(a.size(), b.size())), b.begin());
  return size_t(end.first - a.begin());
}

bool is_prefix(const Match& match) {
  return match.kind == Match::Path::Prefix || match.kind == Match::Path::PathSeparatedPrefix;
}

Prefixes prefixes_of(const std::vector<Route>& routes) {
  Prefixes result;
  for (uint32_t i = 0; i < routes.size(); ++i)
    if (const Match& match = routes[i].match; is_prefix(match) && !match.ignore_case)
      result.emplace_back(match.path, i);
  return result;
}

Prefixes lower_prefixes_of(const std::vector<Route>& routes,
                           std::vector<std::unique_ptr<const std::string>>& keep) {
  Prefixes result;
  for (uint32_t i = 0; i < routes.size(); ++i) {
    const Match& match = routes[i].match;
    if (!is_prefix(match) || !match.ignore_case) continue;
    keep.push_back(std::make_unique<const std::string>(text::to_lower(match.path)));
    result.emplace_back(*keep.back(), i);
  }
  return result;
}

}  // namespace

PrefixTree::PrefixTree(Prefixes prefixes) {
  if (prefixes.empty()) return;
  std::stable_sort(prefixes.begin(), prefixes.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  nodes_.emplace_back();
  first_.push_back(0);
  places_.reserve(prefixes.size());
  std::vector<Range> todo{{.node = 0, .begin = 0, .end = prefixes.size(), .depth = 0}};
  for (size_t i = 0; i < todo.size(); ++i) expand(prefixes, todo[i], todo);
}

void PrefixTree::expand(const Prefixes& sorted, Range range, std::vector<Range>& todo) {
  const auto places_begin = uint32_t(places_.size());
  size_t at = range.begin;
  for (; at < range.end && sorted[at].first.size() == range.depth; ++at)
    places_.push_back(sorted[at].second);
  const auto first_child = uint32_t(nodes_.size());
  while (at < range.end) {
    const char next = sorted[at].first[range.depth];
    size_t end = at + 1;
    while (end < range.end && sorted[end].first[range.depth] == next) ++end;
    // Sorted: what the first and the last share, all between them share.
    const size_t depth = common_prefix(sorted[at].first, sorted[end - 1].first);
    todo.push_back({.node = uint32_t(nodes_.size()), .begin = at, .end = end, .depth = depth});
    Node child;
    child.edge = sorted[at].first.substr(range.depth, depth - range.depth);
    nodes_.push_back(child);
    first_.push_back(uint8_t(next));
    at = end;
  }
  Node& node = nodes_[range.node];
  node.first_child = first_child;
  node.children = uint32_t(nodes_.size()) - first_child;
  node.places_begin = places_begin;
  node.places_end = uint32_t(places_.size());
}

size_t PathIndex::LowerHash::operator()(std::string_view s) const {
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : s) hash = (hash ^ uint8_t(to_lower_ascii(c))) * 1099511628211ULL;
  return size_t(hash ^ (hash >> 32));
}

PathIndex::PathIndex(const std::vector<Route>& routes)
    : prefixes_(prefixes_of(routes)), prefixes_lower_(lower_prefixes_of(routes, lowered_)) {
  for (uint32_t i = 0; i < routes.size(); ++i) {
    const Match& match = routes[i].match;
    if (is_prefix(match)) continue;
    if (match.kind != Match::Path::Exact)
      others_.push_back(i);
    else if (match.ignore_case)
      exact_lower_[match.path].push_back(i);
    else
      exact_[match.path].push_back(i);
  }
}

}  // namespace mesh::route

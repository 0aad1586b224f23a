#include "config/analyze/shadow.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::config {
namespace {

using namespace ::istio::networking::v1alpha3;

// Nothing is asked but, of a header, that it is there.
bool is_any(const StringMatch& match) {
  switch (match.match_type_case()) {
    case StringMatch::kExact: return false;
    case StringMatch::kPrefix: return match.prefix().empty();
    case StringMatch::kRegex: return match.regex().empty();
    default: return true;
  }
}

bool covers(const StringMatch& wide, const StringMatch& narrow) {
  if (is_any(wide)) return true;
  if (is_any(narrow)) return false;
  if (wide.has_prefix())
    return narrow.has_regex()
               ? false
               : (narrow.has_exact() ? narrow.exact() : narrow.prefix()).starts_with(wide.prefix());
  if (wide.has_exact()) return narrow.has_exact() && narrow.exact() == wide.exact();
  return narrow.has_regex() && narrow.regex() == wide.regex();
}

StringMatch lowered(StringMatch match) {
  if (match.has_exact()) match.set_exact(text::to_lower(match.exact()));
  if (match.has_prefix()) match.set_prefix(text::to_lower(match.prefix()));
  return match;
}

bool all_paths(const StringMatch& uri) {
  return is_any(uri) || (uri.has_prefix() && uri.prefix() == "/");
}

bool covers_path(const HTTPMatchRequest& wide, const HTTPMatchRequest& narrow) {
  if (all_paths(wide.uri())) return true;
  if (all_paths(narrow.uri())) return false;
  if (!wide.ignore_uri_case() || wide.uri().has_regex())
    return !narrow.ignore_uri_case() && covers(wide.uri(), narrow.uri());
  return covers(lowered(wide.uri()), lowered(narrow.uri()));
}

template <class Map>
bool covers_each(const Map& wide, const Map& narrow) {
  return std::all_of(wide.begin(), wide.end(), [&](const auto& entry) {
    const auto found = narrow.find(entry.first);
    return found != narrow.end() && covers(entry.second, found->second);
  });
}

// The narrow one must ask the same: what is excluded is excluded by both.
template <class Map>
bool excluded_by_both(const Map& wide, const Map& narrow) {
  return std::all_of(wide.begin(), wide.end(), [&](const auto& entry) {
    const auto found = narrow.find(entry.first);
    return found != narrow.end() &&
           found->second.SerializeAsString() == entry.second.SerializeAsString();
  });
}

template <class Names>
bool has(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool covers_callers(const HTTPMatchRequest& wide, const HTTPMatchRequest& narrow) {
  if (wide.port() != 0 && wide.port() != narrow.port()) return false;
  if (!wide.source_namespace().empty() && wide.source_namespace() != narrow.source_namespace())
    return false;
  for (const auto& [key, value] : wide.source_labels()) {
    const auto found = narrow.source_labels().find(key);
    if (found == narrow.source_labels().end() || found->second != value) return false;
  }
  if (wide.gateways().empty()) return true;
  return !narrow.gateways().empty() &&
         std::all_of(narrow.gateways().begin(), narrow.gateways().end(),
                     [&](const std::string& name) { return has(wide.gateways(), name); });
}

}  // namespace

bool covers(const HTTPMatchRequest& wide, const HTTPMatchRequest& narrow) {
  const auto text = [](bool asked, const StringMatch& w, const StringMatch& n) {
    return !asked || covers(w, n);
  };
  return covers_path(wide, narrow) && covers_callers(wide, narrow) &&
         text(wide.has_method(), wide.method(), narrow.method()) &&
         text(wide.has_authority(), wide.authority(), narrow.authority()) &&
         text(wide.has_scheme(), wide.scheme(), narrow.scheme()) &&
         covers_each(wide.headers(), narrow.headers()) &&
         covers_each(wide.query_params(), narrow.query_params()) &&
         excluded_by_both(wide.without_headers(), narrow.without_headers());
}

}  // namespace mesh::config

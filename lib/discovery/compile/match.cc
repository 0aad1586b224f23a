#include "discovery/compile/match.h"

#include <map>

#include "base/text.h"
#include "config/claim_path.h"
#include "discovery/compile/authentication.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::route::v3;
using envoy::type::matcher::v3::StringMatcher;

// False where the match is empty, which means "present".
bool set_value(const istio::StringMatch& match, StringMatcher& into) {
  switch (match.match_type_case()) {
    case istio::StringMatch::kExact: into.set_exact(match.exact()); return true;
    case istio::StringMatch::kPrefix:
      if (match.prefix().empty()) return false;
      into.set_prefix(match.prefix());
      return true;
    case istio::StringMatch::kRegex:
      if (match.regex().empty()) return false;
      into.mutable_safe_regex()->set_regex(match.regex());
      return true;
    default: return false;
  }
}

void add_header(const std::string& name, const istio::StringMatch& match, bool without,
                pb::RouteMatch& into) {
  auto& header = *into.add_headers();
  header.set_name(name);
  StringMatcher text;
  if (set_value(match, text)) {
    *header.mutable_string_match() = std::move(text);
    header.set_treat_missing_header_as_empty(without);
  } else {
    header.set_present_match(true);
  }
  header.set_invert_match(without);
}

// A value that is the text, or a list that has it (Istio).
void add_claim(const std::vector<std::string>& names, const istio::StringMatch& match, bool without,
               pb::RouteMatch& into) {
  auto& claim = *into.add_dynamic_metadata();
  claim.set_filter(kJwtFilter);
  claim.add_path()->set_key(kJwtPayload);
  for (const std::string& name : names) claim.add_path()->set_key(name);
  auto& either = *claim.mutable_value()->mutable_or_match();
  auto& one_of = *either.add_value_matchers()->mutable_list_match()->mutable_one_of();
  set_value(match, *one_of.mutable_string_match());
  *either.add_value_matchers() = one_of;
  claim.set_invert(without);
}

void add_condition(const std::string& name, const istio::StringMatch& match, bool without,
                   pb::RouteMatch& into) {
  if (const auto names = config::claim_path(name))
    add_claim(*names, match, without, into);
  else
    add_header(name, match, without, into);
}

// In order of their names: what is compiled does not depend on a hash.
template <class Map>
auto sorted(const Map& map) {
  return std::map<std::string, typename Map::mapped_type>(map.begin(), map.end());
}

void set_path(const istio::HTTPMatchRequest& match, pb::RouteMatch& into) {
  switch (match.uri().match_type_case()) {
    case istio::StringMatch::kExact: into.set_path(match.uri().exact()); break;
    case istio::StringMatch::kRegex:
      into.mutable_safe_regex()->set_regex(match.uri().regex());
      return;  // case is the regex's own matter
    case istio::StringMatch::kPrefix: into.set_prefix(match.uri().prefix()); break;
    default: into.set_prefix("/"); return;
  }
  if (match.ignore_uri_case()) into.mutable_case_sensitive()->set_value(false);
}

}  // namespace

void set_match(const istio::HTTPMatchRequest& match, pb::RouteMatch& into) {
  set_path(match, into);
  for (const auto& [name, value] : sorted(match.headers())) add_condition(name, value, false, into);
  for (const auto& [name, value] : sorted(match.without_headers()))
    add_condition(name, value, true, into);
  if (match.has_method()) add_header(":method", match.method(), false, into);
  if (match.has_authority()) add_header(":authority", match.authority(), false, into);
  if (match.has_scheme()) add_header(":scheme", match.scheme(), false, into);
  for (const auto& [name, value] : sorted(match.query_params())) {
    auto& query = *into.add_query_parameters();
    query.set_name(name);
    StringMatcher text;
    if (set_value(value, text))
      *query.mutable_string_match() = std::move(text);
    else
      query.set_present_match(true);
  }
}

void set_text(const istio::StringMatch& match, StringMatcher& into) { set_value(match, into); }

bool is_for(const istio::HTTPMatchRequest& match, const Node& node) {
  return for_mesh(match.gateways()) && is_for_caller(match, node);
}

bool is_for_caller(const istio::HTTPMatchRequest& match, const Node& node) {
  if (!match.source_namespace().empty() && match.source_namespace() != node.ns) return false;
  return selects(match.source_labels(), node.labels);
}

bool takes_all(const pb::RouteMatch& match) {
  return match.prefix() == "/" && match.headers_size() == 0 && match.query_parameters_size() == 0 &&
         match.dynamic_metadata_size() == 0;
}

}  // namespace mesh::discovery

#include "base/text.h"
#include "xds/decode_common.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::route::v3;
using envoy::type::matcher::v3::StringMatcher;
using Kind = route::TextMatch::Kind;

}  // namespace

Result<route::TextMatch> decode_text(const StringMatcher& matcher, std::string_view path) {
  route::TextMatch result;
  result.ignore_case = matcher.ignore_case();
  switch (matcher.match_pattern_case()) {
    case StringMatcher::kExact:
      result.kind = Kind::Exact;
      result.text = matcher.exact();
      return result;
    case StringMatcher::kPrefix:
      result.kind = Kind::Prefix;
      result.text = matcher.prefix();
      break;
    case StringMatcher::kSuffix:
      result.kind = Kind::Suffix;
      result.text = matcher.suffix();
      break;
    case StringMatcher::kContains:
      result.kind = Kind::Contains;
      result.text = matcher.contains();
      break;
    case StringMatcher::kSafeRegex:
      result.kind = Kind::Regex;
      result.text = matcher.safe_regex().regex();
      if (result.ignore_case)
        return refuse(path_of(path, "ignore_case"), "is not for a regex; write (?i)");
      break;
    default: return refuse(path, "expected exact, prefix, suffix, contains or safe_regex");
  }
  if (result.text.empty()) return refuse(path, "an empty text");
  return result;
}

Result<route::FieldMatch> decode_header(const pb::HeaderMatcher& header, std::string_view path) {
  route::FieldMatch result;
  result.name = text::to_lower(header.name());
  if (result.name.empty()) return refuse(path_of(path, "name"), "is empty");
  result.invert = header.invert_match();
  result.missing_is_empty = header.treat_missing_header_as_empty();
  switch (header.header_match_specifier_case()) {
    case pb::HeaderMatcher::HEADER_MATCH_SPECIFIER_NOT_SET:
      result.present_only = true;
      return result;
    case pb::HeaderMatcher::kPresentMatch:
      result.present_only = true;
      if (!header.present_match()) result.invert = !result.invert;
      return result;
    case pb::HeaderMatcher::kStringMatch: {
      MESH_TRY(result.value, decode_text(header.string_match(), path_of(path, "string_match")));
      return result;
    }
    case pb::HeaderMatcher::kExactMatch:
      result.value = {Kind::Exact, header.exact_match(), false};
      return result;
    case pb::HeaderMatcher::kPrefixMatch:
      result.value = {Kind::Prefix, header.prefix_match(), false};
      return result;
    case pb::HeaderMatcher::kSuffixMatch:
      result.value = {Kind::Suffix, header.suffix_match(), false};
      return result;
    case pb::HeaderMatcher::kContainsMatch:
      result.value = {Kind::Contains, header.contains_match(), false};
      return result;
    case pb::HeaderMatcher::kSafeRegexMatch:
      result.value = {Kind::Regex, header.safe_regex_match().regex(), false};
      return result;
    case pb::HeaderMatcher::kRangeMatch:
      if (header.range_match().start() >= header.range_match().end())
        return refuse(path_of(path, "range_match"), "expected start below end");
      result.range = {header.range_match().start(), header.range_match().end()};
      return result;
    default: return refuse(path, "this way to match a header is not supported");
  }
}

namespace {

Result<route::QueryMatch> decode_query(const pb::QueryParameterMatcher& query,
                                       std::string_view path) {
  route::QueryMatch result;
  result.name = query.name();
  if (result.name.empty()) return refuse(path_of(path, "name"), "is empty");
  switch (query.query_parameter_match_specifier_case()) {
    case pb::QueryParameterMatcher::kStringMatch: {
      MESH_TRY(result.value, decode_text(query.string_match(), path_of(path, "string_match")));
      return result;
    }
    case pb::QueryParameterMatcher::kPresentMatch:
      if (!query.present_match())
        return refuse(path_of(path, "present_match"), "only true is supported");
      [[fallthrough]];
    default: result.present_only = true; return result;
  }
}

Result<void> decode_path(const pb::RouteMatch& match, std::string_view path, route::Match& into) {
  using Path = route::Match::Path;
  switch (match.path_specifier_case()) {
    case pb::RouteMatch::kPrefix:
      into.kind = Path::Prefix;
      into.path = match.prefix();
      break;
    case pb::RouteMatch::kPath:
      into.kind = Path::Exact;
      into.path = match.path();
      break;
    case pb::RouteMatch::kSafeRegex:
      into.kind = Path::Regex;
      into.path = match.safe_regex().regex();
      if (into.path.empty()) return refuse(path_of(path, "safe_regex.regex"), "is empty");
      break;
    case pb::RouteMatch::kPathSeparatedPrefix:
      into.kind = Path::PathSeparatedPrefix;
      into.path = match.path_separated_prefix();
      if (into.path.size() < 2 || into.path.front() != '/' || into.path.back() == '/')
        return refuse(path_of(path, "path_separated_prefix"),
                      "begins with / and does not end with it");
      break;
    case pb::RouteMatch::kConnectMatcher: into.kind = Path::Connect; break;
    default:
      return refuse(path,
                    "expected prefix, path, safe_regex, path_separated_prefix or connect_matcher");
  }
  if (match.has_case_sensitive()) into.ignore_case = !match.case_sensitive().value();
  return {};
}

}  // namespace

Result<route::Match> decode_match(const pb::RouteMatch& match, std::string_view path) {
  route::Match result;
  MESH_TRY_VOID(decode_path(match, path, result));
  result.grpc = match.has_grpc();
  if (match.has_runtime_fraction())
    result.share = decode_fraction(match.runtime_fraction().default_value());
  if (match.tls_context().has_presented())
    result.certificate_presented = match.tls_context().presented().value();
  if (match.tls_context().has_validated())
    result.certificate_validated = match.tls_context().validated().value();
  for (int i = 0; i < match.headers_size(); ++i) {
    MESH_TRY(auto field, decode_header(match.headers(i), path_of(path, "headers", i)));
    result.fields.push_back(std::move(field));
  }
  for (int i = 0; i < match.query_parameters_size(); ++i) {
    MESH_TRY(auto query,
             decode_query(match.query_parameters(i), path_of(path, "query_parameters", i)));
    result.query.push_back(std::move(query));
  }
  for (int i = 0; i < match.dynamic_metadata_size(); ++i) {
    MESH_TRY(auto claim,
             decode_claim(match.dynamic_metadata(i), path_of(path, "dynamic_metadata", i)));
    result.claims.push_back(std::move(claim));
  }
  return result;
}

}  // namespace mesh::xds

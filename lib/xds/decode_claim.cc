// What is asked of verified tokens: matchers of dynamic metadata.
#include "xds/decode_common.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

using envoy::type::matcher::v3::MetadataMatcher;
using envoy::type::matcher::v3::ValueMatcher;

// The only filter that finds out something.
constexpr std::string_view kJwtFilterName = "envoy.filters.http.jwt_authn";

Result<route::ClaimMatch> decode_value(const ValueMatcher& from, const std::string& path) {
  using Value = route::ClaimMatch::Kind;
  route::ClaimMatch result;
  switch (from.match_pattern_case()) {
    case ValueMatcher::kNullMatch: result.kind = Value::Null; break;
    case ValueMatcher::kDoubleMatch:
      result.kind = Value::Number;
      result.exact = !from.double_match().has_range();
      result.low = result.exact ? from.double_match().exact() : from.double_match().range().start();
      result.high = from.double_match().range().end();
      break;
    case ValueMatcher::kStringMatch: {
      result.kind = Value::Text;
      MESH_TRY(result.text, decode_text(from.string_match(), path_of(path, "string_match")));
      break;
    }
    case ValueMatcher::kBoolMatch:
      result.kind = Value::Boolean;
      result.wanted = from.bool_match();
      break;
    case ValueMatcher::kPresentMatch:
      result.kind = Value::Present;
      result.wanted = from.present_match();
      break;
    case ValueMatcher::kListMatch: {
      result.kind = Value::OneOf;
      MESH_TRY(auto part,
               decode_value(from.list_match().one_of(), path_of(path, "list_match.one_of")));
      result.parts.push_back(std::move(part));
      break;
    }
    case ValueMatcher::kOrMatch: {
      result.kind = Value::Any;
      const auto& parts = from.or_match().value_matchers();
      const std::string at = path_of(path, "or_match");
      if (parts.size() < 2) return refuse(path_of(at, "value_matchers"), "are two at least");
      for (int i = 0; i < parts.size(); ++i) {
        MESH_TRY(auto part, decode_value(parts[i], path_of(at, "value_matchers", i)));
        result.parts.push_back(std::move(part));
      }
      break;
    }
    default: return refuse(path, "expected a matcher of a value");
  }
  return result;
}

}  // namespace

Result<route::ClaimRule> decode_claim(const MetadataMatcher& from, const std::string& path) {
  if (from.filter() != kJwtFilterName)
    return refuse(path_of(path, "filter"),
                  "only " + std::string(kJwtFilterName) + " finds out something here");
  route::ClaimRule rule;
  rule.invert = from.invert();
  for (int i = 0; i < from.path_size(); ++i) {
    if (from.path(i).key().empty()) return refuse(path_of(path, "path", i), "is empty");
    rule.path.push_back(from.path(i).key());
  }
  if (rule.path.empty()) return refuse(path_of(path, "path"), "is empty");
  MESH_TRY(rule.value, decode_value(from.value(), path_of(path, "value")));
  return rule;
}

}  // namespace mesh::xds

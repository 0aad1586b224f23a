#include "mesh/v1/rate_limit.pb.h"

#include <set>

#include "config/validate/http_route.h"
#include "config/validate/validate.h"

namespace mesh::config {
namespace {

using ::istio::networking::v1alpha3::StringMatch;
using ::mesh::v1::RateLimit;

constexpr int kLimitsMax = 100;
constexpr uint32_t kBucketsMax = 1U << 20;

void check_match(const RateLimit::Match& match, const std::string& path, Checker& checker) {
  if (match.has_uri()) {
    const auto kind = match.uri().match_type_case();
    const std::string& text =
        kind == StringMatch::kExact ? match.uri().exact() : match.uri().prefix();
    if (checker.expect(kind == StringMatch::kExact || kind == StringMatch::kPrefix, path + ".uri",
                       "expected exact or prefix"))
      checker.expect(text.starts_with('/') && text.find_first_of("?#") == std::string::npos &&
                         text.size() <= Checker::kPatternBytesMax,
                     path + ".uri", "expected a path that begins with /, without its query");
  }
  for (const auto& [name, value] : match.headers()) {
    const std::string at = at_key(path + ".headers", name);
    checker.expect(is_field_name(name), at, "expected the name of a header");
    if (value.match_type_case() != StringMatch::MATCH_TYPE_NOT_SET) check_text(value, at, checker);
  }
}

void check_each(const RateLimit::Each& each, const std::string& path, Checker& checker) {
  switch (each.value_case()) {
    case RateLimit::Each::kHeader:
      checker.expect(is_field_name(each.header()), path + ".header",
                     "expected the name of a header");
      break;
    case RateLimit::Each::kPeerIdentity:
      checker.expect(each.peer_identity(), path + ".peerIdentity", "expected true");
      break;
    case RateLimit::Each::kSourceAddress:
      checker.expect(each.source_address(), path + ".sourceAddress", "expected true");
      break;
    default: checker.fail(path, "expected header, peerIdentity or sourceAddress");
  }
  checker.range(path + ".bucketsMax", each.buckets_max(), 0, kBucketsMax);
}

void check_limit(const RateLimit::Limit& limit, const std::string& path, Checker& checker) {
  checker.dns_name(path + ".name", limit.name());
  if (limit.has_match()) check_match(limit.match(), path + ".match", checker);
  if (limit.has_each()) check_each(limit.each(), path + ".each", checker);
  checker.expect(limit.requests() > 0, path + ".requests", "expected at least 1");
  if (!limit.has_per()) return;
  const bool enough = limit.per().seconds() > 0 || limit.per().nanos() >= 50'000'000;
  checker.expect(enough, path + ".per", "expected at least 50ms");
}

}  // namespace

void validate(const RateLimit& limit, Checker& checker) {
  checker.host("spec.host", limit.host(), false);
  checker.expect(limit.limits_size() > 0, "spec.limits", "expected at least one limit");
  checker.expect(limit.limits_size() <= kLimitsMax, "spec.limits", "over 100");
  std::set<std::string> names;
  for (int i = 0; i < limit.limits_size(); ++i) {
    const std::string path = at_index("spec.limits", i);
    check_limit(limit.limits(i), path, checker);
    checker.expect(names.insert(limit.limits(i).name()).second, path + ".name", "is there already");
  }
  checker.expect(limit.status() == 0 || limit.status() == 429 || limit.status() == 503,
                 "spec.status", "expected 429 or 503");
}

}  // namespace mesh::config

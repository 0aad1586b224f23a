#include "forward/hash_policy.h"

#include <algorithm>
#include <array>

#include "balance/hash.h"
#include "forward/connection.h"
#include "http/cookie.h"
#include "http/path.h"

namespace mesh::forward {
namespace {

using Hash = std::optional<uint64_t>;
using route::HashPolicy;

// Several fields of a name: in order of their values, each seeding the next.
Hash field_hash(const HashPolicy& policy, const http::RequestHead& head) {
  constexpr size_t kValuesMax = 16;
  std::array<std::string_view, kValuesMax> values;
  size_t count = 0;
  if (policy.name == ":authority") values[count++] = head.authority;
  if (policy.name == ":path") values[count++] = head.path;
  if (policy.name == ":method") values[count++] = head.method;
  for (const http::Field& field : head.fields)
    if (field.name == policy.name && count < kValuesMax) values[count++] = field.value;
  if (count == 0) return std::nullopt;
  std::sort(values.begin(), values.begin() + ptrdiff_t(count));
  uint64_t hash = 0;
  std::string rewritten;
  for (size_t i = 0; i < count; ++i) {
    std::string_view value = values[i];
    if (policy.rewrite != nullptr) {
      policy.rewrite->apply(value, rewritten);
      value = rewritten;
    }
    hash = balance::hash64(value, hash);
  }
  return hash;
}

// A cookie that is made is the connection's: requests that race get the same.
Hash cookie_hash(const HashPolicy& policy, const http::RequestHead& head, Connection& connection,
                 std::vector<std::string>& cookies) {
  const auto value = http::cookie(head.fields, policy.name);
  if (value && !value->empty()) return balance::hash64(*value);
  if (!policy.ttl) return std::nullopt;
  const uint64_t client =
      balance::hash64(std::string(connection.remote_text()) + std::string(connection.local_text()));
  std::string made;
  for (int shift = 60; shift >= 0; shift -= 4) made += "0123456789abcdef"[client >> shift & 15];
  cookies.push_back(
      http::set_cookie({.name = policy.name,
                        .value = made,
                        .max_age = std::chrono::duration_cast<std::chrono::seconds>(*policy.ttl),
                        .path = policy.path,
                        .attributes = policy.attributes}));
  return balance::hash64(made);
}

Hash parameter_hash(const HashPolicy& policy, std::string_view path) {
  const size_t mark = path.find('?');
  if (mark == std::string_view::npos) return std::nullopt;
  std::string_view rest = path.substr(mark + 1);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) != policy.name) continue;
    return balance::hash64(pair.substr(std::min(equals + 1, pair.size())));
  }
  return std::nullopt;
}

Hash hash_of(const HashPolicy& policy, const http::RequestHead& head, Connection& connection,
             std::vector<std::string>& cookies) {
  switch (policy.kind) {
    case HashPolicy::Kind::Header: return field_hash(policy, head);
    case HashPolicy::Kind::Cookie: return cookie_hash(policy, head, connection, cookies);
    case HashPolicy::Kind::SourceIp: return balance::hash64(connection.remote_host());
    case HashPolicy::Kind::QueryParameter: return parameter_hash(policy, head.path);
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> request_hash(const std::vector<HashPolicy>& policies,
                                     const http::RequestHead& head, Connection& connection,
                                     std::vector<std::string>& cookies) {
  Hash hash;
  for (const HashPolicy& policy : policies) {
    if (const Hash next = hash_of(policy, head, connection, cookies)) {
      // Turned, so that the same policy twice is not none (Envoy).
      const uint64_t before = hash ? *hash << 1 | *hash >> 63 : 0;
      hash = before ^ *next;
    }
    if (policy.terminal && hash) break;
  }
  return hash;
}

}  // namespace mesh::forward

// ExtAuthz: whom a filter of external authorization asks, what it tells, and what it takes
// of the answer (Envoy, envoy.filters.http.ext_authz). Values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "route/text_match.h"

namespace mesh::authz {

// What a filter of access control has found of a request by its shadow rules.
struct ShadowVerdict {
  std::string_view prefix = {};  // shadow_rules_stat_prefix
  std::string_view policy = {};  // that matched; empty: none
  bool allowed = true;
};

// Names of headers; in lower case.
struct NameSet {
  std::vector<route::TextMatch> any = {};  // compiled

  bool empty() const { return any.empty(); }
  bool has(std::string_view name) const {
    return std::any_of(any.begin(), any.end(),
                       [&](const route::TextMatch& match) { return route::holds(match, name); });
  }
};

struct ExtAuthz {
  using Pairs = std::vector<std::pair<std::string, std::string>>;  // names in lower case

  bool grpc = false;
  std::string cluster = {};
  Duration timeout{0};         // of the whole check; 0: none
  std::string authority = {};  // gRPC
  Pairs metadata = {};         // gRPC

  // What is told of the request's head. HTTP: its method, path, host and authorization, and
  // what `allowed` has; gRPC: all, or what `allowed` has where it is not empty.
  NameSet allowed = {};
  NameSet disallowed = {};
  std::string path_prefix = {};  // HTTP
  Pairs headers_to_add = {};     // HTTP
  bool raw_headers = false;      // gRPC: as a list of bytes
  bool tls_session = false;      // gRPC: the server name that was asked for

  // How much of the body is told.
  struct Body {
    uint32_t bytes_max = 0;
    bool partial = false;  // cut off there; else more is refused with 413
    bool raw = false;      // gRPC: as bytes
  };
  std::optional<Body> body = {};

  // Of an answer over HTTP: the names that are taken up.
  NameSet upstream = {};
  NameSet upstream_append = {};
  NameSet client = {};  // empty: all
  NameSet client_on_success = {};

  bool clear_route_cache = false;
  bool failure_allows = false;
  bool failure_header = false;  // x-envoy-auth-failure-mode-allowed
  uint16_t status_on_error = 403;
  std::string stat_prefix = {};

  // Asked only where a filter of access control before it has found that by its shadow rules.
  struct Condition {
    std::string prefix = {};
    bool about_result = false;  // "allowed" or "denied"; else the policy's name
    route::TextMatch value = {};
    bool invert = false;
  };
  std::optional<Condition> only = {};
};

// Whether the filter asks. What several filters of one prefix found, the last has the word
// (Envoy: they write to one place, and a policy that did not match writes nothing there).
inline bool asks(const ExtAuthz& config, const std::vector<ShadowVerdict>& found) {
  if (!config.only) return true;
  const ExtAuthz::Condition& only = *config.only;
  for (auto verdict = found.rbegin(); verdict != found.rend(); ++verdict) {
    if (verdict->prefix != only.prefix) continue;
    std::string_view value = verdict->policy;
    if (only.about_result) value = verdict->allowed ? "allowed" : "denied";
    if (!value.empty()) return route::holds(only.value, value) != only.invert;
  }
  return only.invert;
}

}  // namespace mesh::authz

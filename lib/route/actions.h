// What a route may do beside choosing a cluster: values of config.route.v3, each
// behind one pointer of the Route that has it.
//
// Immutable once the table is built. Names and defaults are Envoy's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "resilience/policy.h"
#include "route/text_match.h"

namespace mesh::telemetry {
class AccessFormat;
}

namespace mesh::route {

// A change of one field: core.v3.HeaderValueOption, or a name to remove.
struct FieldEdit {
  enum class Kind : uint8_t {
    Append,        // another field of the name
    Set,           // replaces all of the name
    Remove,        //
    AddIfAbsent,   // only where there is none
    SetIfPresent,  // only where there is one
  } kind = Kind::Set;
  std::string name = {};   // lower-case
  std::string value = {};  // as it goes out, where there is no format
  // The value with Envoy's command operators; null: it has none.
  std::shared_ptr<const telemetry::AccessFormat> format = nullptr;
  bool keep_empty = false;  // an empty value is a field too
};

// The edits of one place (destination, route, virtual host, table), in the order of
// application: removals, what is set, what is added (Envoy, HeaderParser).
struct HeaderEdits {
  std::vector<FieldEdit> request = {};
  std::vector<FieldEdit> response = {};
  bool empty() const { return request.empty() && response.empty(); }
};

// Labels that an endpoint must have: metadata_match, its "envoy.lb" part. By name.
using SubsetLabels = std::vector<std::pair<std::string, std::string>>;

// Where the authority that goes upstream comes from.
struct HostRewrite {
  enum class Kind : uint8_t {
    Literal,
    Auto,       // the endpoint's host name, where it has one
    Header,     // the value of a field of the request, where it is there
    PathRegex,  // the path without its query, substituted
  } kind = Kind::Literal;
  std::string text = {};  // Literal: the authority; Header: the field's name
  std::shared_ptr<const Substitution> regex = nullptr;
};

// An answer that sends the client elsewhere: RedirectAction.
struct Redirect {
  uint16_t status = 301;              // 301, 302, 303, 307, 308
  std::string scheme = {};            // empty: the request's ("https" of https_redirect too)
  std::string host = {};              // empty: the request's
  std::optional<uint16_t> port = {};  // nullopt: the request's, unless the scheme changes
  enum class Path : uint8_t { Keep, Whole, Prefix, Regex } path_kind = Path::Keep;
  std::string path = {};  // Whole (may hold a query), Prefix
  std::shared_ptr<const Substitution> regex = nullptr;
  bool strip_query = false;
};

// A copy of the request whose answer nobody waits for: RequestMirrorPolicy.
struct Mirror {
  std::string cluster = {};
  std::string cluster_header = {};                 // or: the field that names it, lower-case
  std::optional<resilience::Fraction> share = {};  // nullopt: all
  bool shadow_suffix = true;                       // "-shadow" behind the host's name
  std::string host_rewrite = {};                   // empty: none
};

// filters.http.cors.v3.CorsPolicy. What a route's leaves empty is its virtual host's.
struct CorsPolicy {
  std::vector<TextMatch> allow_origins = {};  // compiled; any of them
  std::string allow_methods = {};
  std::string allow_headers = {};
  std::string expose_headers = {};
  std::string max_age = {};
  std::optional<bool> allow_credentials = {};             // nullopt: no
  std::optional<bool> allow_private_network_access = {};  // nullopt: no
  // Preflights of other origins go upstream; else they are answered without grants.
  std::optional<bool> forward_not_matching_preflights = {};  // nullopt: upstream
  std::optional<resilience::Fraction> enabled = {};          // nullopt: all
  std::optional<resilience::Fraction> shadow = {};           // counted, not enforced
};

// What a consistent hash is computed from: RouteAction.HashPolicy. In order; a
// terminal one that gave a hash ends the computation.
struct HashPolicy {
  enum class Kind : uint8_t { Header, Cookie, SourceIp, QueryParameter } kind = Kind::Header;
  std::string name = {};  // of the field (lower-case), the cookie, the parameter
  std::shared_ptr<const Substitution> rewrite = nullptr;  // of the field's value
  // Cookie: made where the request has none, to live this long; 0: for a session;
  // nullopt: none is made.
  std::optional<Duration> ttl = {};
  std::string path = {};  // Cookie: its Path attribute; empty: none
  std::vector<std::pair<std::string, std::string>> attributes = {};  // Cookie: others
  bool terminal = false;
};

// Whether a protocol may be switched to: RouteAction.UpgradeConfig.
struct Upgrade {
  std::string type = {};  // lower-case: "websocket", "connect", ...
  bool enabled = true;
  bool terminate_connect = false;  // connect_config: the tunnel ends here, TCP upstream
};

}  // namespace mesh::route

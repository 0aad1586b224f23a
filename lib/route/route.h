// Route: what a request must be like, and what is done with it then.
//
// Values of config.route.v3; Table::build() makes them ready and immutable. What
// few routes have sits behind a pointer, so that the others pay one branch for it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "http/message.h"
#include "resilience/policy.h"
#include "route/actions.h"
#include "route/claim_match.h"
#include "route/filter_config.h"
#include "route/text_match.h"

namespace mesh::route {

struct RequestPolicy;

// How spans of the requests are called, and whether the next hop is told.
struct Decorator {
  std::string operation;
  bool propagate = true;
};

// A header matcher: config.route.v3.HeaderMatcher. Several fields of one name
// are matched as one value, joined by ",". A missing field does not match a
// value, inverted or not; it matches an inverted `present_only`.
struct FieldMatch {
  std::string name = {};  // lower-case; or ":method", ":authority", ":scheme", ":path"
  bool present_only = false;
  TextMatch value = {};
  bool invert = false;
  // treat_missing_header_as_empty (Istio sets it for withoutHeaders): a missing
  // field is an empty value, so that an inverted matcher may hold.
  bool missing_is_empty = false;
  // A whole number in [first, second) instead of `value`: range_match.
  std::optional<std::pair<int64_t, int64_t>> range = std::nullopt;
};

// A query_parameters matcher; names and values as they stand in the path,
// without percent-decoding, the first of a name counts (Envoy).
struct QueryMatch {
  std::string name = {};
  bool present_only = false;
  TextMatch value = {};
};

struct Match {
  enum class Path : uint8_t {
    Prefix,
    Exact,
    Regex,
    PathSeparatedPrefix,
    Connect,  // connect_matcher: CONNECT requests and nothing else
  } kind = Path::Prefix;
  std::string path = "/";
  std::shared_ptr<const Pattern> pattern = nullptr;  // of the table, where kind is Regex
  bool ignore_case = false;
  bool grpc = false;  // only gRPC requests
  // The client's certificate: presented, validated.
  std::optional<bool> certificate_presented = {};
  std::optional<bool> certificate_validated = {};
  std::optional<resilience::Fraction> share = {};  // runtime_fraction: of the requests
  std::vector<FieldMatch> fields = {};  // :method, :authority, :scheme too; all must hold
  std::vector<QueryMatch> query = {};   // all must hold
  std::vector<ClaimRule> claims = {};   // all must hold (dynamic_metadata)
};

struct WeightedCluster {
  std::string cluster = {};
  uint32_t weight = 1;
  std::string cluster_header = {};  // or: the field that names it, lower-case
  // The endpoints' labels, with those of the route; null: any.
  std::shared_ptr<const SubsetLabels> subset = nullptr;
  std::shared_ptr<const HeaderEdits> edits = nullptr;         // null: none
  std::shared_ptr<const HostRewrite> host_rewrite = nullptr;  // before the route's
};

struct Route {
  std::string name = {};
  Match match = {};

  // One of: one cluster, or several by weight;
  std::vector<WeightedCluster> clusters = {};
  // a redirect;
  std::shared_ptr<const Redirect> redirect = {};
  // a direct response.
  std::optional<uint16_t> direct_status = {};
  std::string direct_body = {};
  // Where the configuration has no such cluster.
  uint16_t cluster_not_found_status = 503;

  Duration timeout = std::chrono::seconds(15);                // Envoy's default; 0 none
  std::shared_ptr<const resilience::RetryPolicy> retry = {};  // null: none
  std::shared_ptr<const FilterOverrides> filters = {};        // null: as the chain has them
  std::shared_ptr<const RequestPolicy> policy = {};           // null: nothing of it is said

  std::string prefix_rewrite = {};  // with `rewrite_path`
  bool rewrite_path = false;
  bool high_priority = false;  // limits of priority HIGH (Envoy, RouteAction.priority)
  bool append_x_forwarded_host = false;
  std::shared_ptr<const Substitution> regex_rewrite = {};  // of the path without its query
  std::shared_ptr<const HostRewrite> host_rewrite = {};    // null: as received
  // In order of application: this route's, the virtual host's, the table's; after
  // the destination's (Envoy, most_specific_header_mutations_wins=false).
  std::vector<std::shared_ptr<const HeaderEdits>> edits = {};

  std::vector<Mirror> mirrors = {};
  std::vector<HashPolicy> hash_policies = {};
  std::vector<Upgrade> upgrades = {};  // over those of the connection manager, by type
  std::shared_ptr<const Decorator> decorator =
      {};  // null: spans have the name of the listener's side
  // Where in the user's files this came from: "reviews.yaml:14:7".
  std::string provenance = {};
};

struct VirtualHost {
  std::string name = {};
  std::vector<std::string> domains = {};
  std::vector<Route> routes = {};
};

// What a request is matched on.
struct Request {
  std::string_view authority = {};
  std::string_view method = {};
  std::string_view scheme = {};
  std::string_view path = {};  // with the query
  const http::Fields* fields = nullptr;
  uint64_t chance = 0;  // uniform 64 bits, the same for the whole request
  bool certificate_presented = false;
  bool certificate_validated = false;
  std::span<const TokenClaims> claims = {};  // of verified tokens
};

}  // namespace mesh::route

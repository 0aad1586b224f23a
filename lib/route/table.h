// Table: which route a request takes.
//
// A RouteConfiguration as immutable values: virtual hosts by domain (exact,
// then longest "*.suffix", then longest "prefix.*", then "*"), in each the
// first route whose match holds (Envoy, config.route.v3). Built once, shared
// by all workers as const, used alike by the forwarder and by `mesh why`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "http/message.h"
#include "resilience/policy.h"
#include "route/filter_config.h"

namespace mesh::route {

struct RequestPolicy;

// A string matcher: type.matcher.v3.StringMatcher.
struct TextMatch {
  enum class Kind : uint8_t { Exact, Prefix, Suffix, Contains, Regex } kind = Kind::Exact;
  std::string text;
  bool ignore_case = false;
};

// A header matcher: config.route.v3.HeaderMatcher. Several fields of one name
// are matched as one value, joined by ",". A missing field does not match a
// value, inverted or not; it matches an inverted `present_only`.
struct FieldMatch {
  std::string name;  // lower-case; or ":method", ":authority", ":scheme", ":path"
  bool present_only = false;
  TextMatch value;
  bool invert = false;
  // treat_missing_header_as_empty (Istio sets it for withoutHeaders): a missing
  // field is an empty value, so that an inverted matcher may hold.
  bool missing_is_empty = false;
};

// A query_parameters matcher; names and values as they stand in the path,
// without percent-decoding, the first of a name counts (Envoy).
struct QueryMatch {
  std::string name;
  bool present_only = false;
  TextMatch value;
};

struct Match {
  enum class Path : uint8_t { Prefix, Exact, Regex, PathSeparatedPrefix } kind = Path::Prefix;
  std::string path = "/";
  bool ignore_case = false;
  std::vector<FieldMatch> fields;  // :method, :authority, :scheme too; all must hold
  std::vector<QueryMatch> query;   // all must hold
};

struct WeightedCluster {
  std::string cluster;
  uint32_t weight = 1;
};

struct FieldEdit {
  enum class Kind : uint8_t { Append, Set, Remove } kind = Kind::Set;
  std::string name;
  std::string value;
};

struct Route {
  std::string name;
  Match match;

  std::vector<WeightedCluster> clusters;  // one, or several by weight
  // Or a direct response.
  std::optional<uint16_t> direct_status;
  std::string direct_body;

  Duration timeout = std::chrono::seconds(15);  // Envoy's default; 0 none
  std::optional<resilience::RetryPolicy> retry;
  std::shared_ptr<const RequestPolicy> policy;     // null: nothing of it is said
  std::shared_ptr<const FilterOverrides> filters;  // null: as the chain has them
  std::string prefix_rewrite;                      // with `rewrite_path`
  bool rewrite_path = false;
  std::string host_rewrite;  // empty: as received
  std::vector<FieldEdit> request_edits;
  std::vector<FieldEdit> response_edits;
  // Where in the user's files this came from: "reviews.yaml:14:7".
  std::string provenance;
};

struct VirtualHost {
  std::string name;
  std::vector<std::string> domains;
  std::vector<Route> routes;
};

// What a request is matched on.
struct Request {
  std::string_view authority = {};
  std::string_view method = {};
  std::string_view scheme = {};
  std::string_view path = {};  // with the query
  const http::Fields* fields = nullptr;
};

class Table {
 public:
  // Compiles regexes (RE2) and the domain index. Errc::Invalid names the
  // virtual host and route: duplicate domain, regex that does not compile or is
  // too large, weights that sum to zero. Limits: 4 KiB a
  // pattern, 4096 virtual hosts, 65536 routes in all.
  static Result<std::shared_ptr<const Table>> build(std::string name,
                                                    std::vector<VirtualHost> hosts);
  ~Table();

  const std::string& name() const;
  // Null where no virtual host has the authority. Letters' case does not
  // matter. A port is part of the authority and is matched as such (Envoy's
  // default): a virtual host lists "host" and "host:port".
  const VirtualHost* find_host(std::string_view authority) const;
  // Null where no host or no route matches. No allocation.
  const Route* find(const Request& request) const;
  const std::vector<VirtualHost>& hosts() const;

 private:
  struct Index;
  explicit Table(std::unique_ptr<Index> index);
  std::unique_ptr<Index> index_;
};

// Picks a cluster of a route by weight. `chance` is uniform 64 bits.
const std::string& pick_cluster(const Route& route, uint64_t chance);

}  // namespace mesh::route

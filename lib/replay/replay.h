// Replay: where a request of the past would go under other resources.
//
// Resources are decoded as the forwarder decodes them, and routes and rules of access
// are asked as it asks them. Where the answer hangs on what was not kept of the request's
// tokens, that is said. Values; pure; one thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_value.h"
#include "route/table.h"
#include "xds/values.h"

namespace mesh::replay {

// What is known of a request (forward/fact_ring.h).
struct Call {
  std::string listener, method, scheme, authority, path;
  std::string peer;           // its verified identity; empty: none
  std::string remote, local;  // ADDRESS:PORT
  std::string server_name;
  std::vector<std::pair<std::string, std::string>> fields;
  bool cut = false;  // not all of it is known

  // What became of its tokens. Unknown: nobody looked for any.
  enum class Tokens : uint8_t { Unknown, None, Good, Refused } tokens = Tokens::Unknown;
  struct Claim {
    std::vector<std::string> path;     // as route::find_claim() takes it
    std::optional<json::Value> value;  // nullopt: the token has it not
  };
  std::vector<Claim> claims = {};  // of good ones; the others are not known
};

struct Outcome {
  enum class Kind : uint8_t {
    Forwarded,   // to `clusters`
    Answered,    // by the route itself, or as a preflight
    Failed,      // by a fault that all such requests meet
    Denied,      // by a rule of access
    NoRoute,     // 404
    NoCluster,   // the route's cluster is not there
    NotAccepted  // no listener, or no filter chain for such a connection
  } kind = Kind::NotAccepted;
  // The share of each, together 1; that of requests which a fault ends is "fault STATUS".
  std::map<std::string, double> clusters;
  std::string why;    // for people: the rule that denied, the answer, what is missing
  double failed = 0;  // the share of requests that a fault ends

  // Whether it hangs on claims that are not known; it is as if there were none.
  bool unknown = false;
  // Who decides of it beside the rules, and is not known to: each authorizer's cluster, with
  // the path it is asked at. Where it is denied anyway, nobody does.
  std::string asked = {};
  uint64_t judge = 0;       // the filter that judges the tokens; 0: there are none to judge
  uint64_t decided_by = 0;  // digest of the listener and the routes that were asked
};

// Whether nobody can say if such a request went otherwise as `after`: its tokens would be
// judged by others, or asked for what is not known, or other authorizers decide of it.
bool untold(const Outcome& before, const Outcome& after);

// Which share of requests that went as `before` would go otherwise as `after`: 0 to 1.
double moved(const Outcome& before, const Outcome& after);

// The listeners, route configurations and clusters of one forwarder.
class Configuration {
 public:
  // One that is not right is not there, as in a forwarder that refuses it: refused().
  void add(std::string_view type_url, const std::string& name, std::string_view body);
  const std::vector<std::string>& refused() const { return refused_; }

  Outcome ask(const Call& call) const;

 private:
  Outcome routed(const xds::FilterChain& chain, const Call& call) const;
  Outcome target(const route::Route& route, const http::Fields& fields) const;
  uint64_t digest(std::string_view type_url, const std::string& name) const;

  std::map<std::string, std::shared_ptr<const xds::Listener>> listeners_;
  std::map<std::string, std::shared_ptr<const route::Table>> routes_;
  std::map<std::pair<std::string, std::string>, uint64_t> digests_;  // by type and name
  std::set<std::string, std::less<>> clusters_;
  std::vector<std::string> refused_;
};

}  // namespace mesh::replay

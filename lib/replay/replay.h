// Replay: where a request of the past would go under other resources.
//
// Resources are decoded as the forwarder decodes them, and routes and rules of access
// are asked as it asks them. What it cannot know is said: filters that need a token,
// or a chance. Values; pure; one thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
};

struct Outcome {
  enum class Kind : uint8_t {
    Forwarded,   // to `clusters`
    Answered,    // by the route itself
    Denied,      // by a rule of access
    NoRoute,     // 404
    NoCluster,   // the route's cluster is not there
    NotAccepted  // no listener, or no filter chain for such a connection
  } kind = Kind::NotAccepted;
  std::map<std::string, double> clusters;  // the share of each, together 1
  std::string why;  // for people: the rule that denied, the answer, what is missing
};

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

  std::map<std::string, std::shared_ptr<const xds::Listener>> listeners_;
  std::map<std::string, std::shared_ptr<const route::Table>> routes_;
  std::set<std::string, std::less<>> clusters_;
  std::vector<std::string> refused_;
};

}  // namespace mesh::replay

// Condition: what a policy asks of a call, as a tree: config.rbac.v3.Permission and
// Principal. Values; Rules makes them ready.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "authz/ip_range.h"
#include "route/claim_match.h"
#include "route/route.h"

namespace mesh::authz {

struct Condition {
  enum class Kind : uint8_t {
    Always,
    All,              // of `parts`
    Any,              // of `parts`
    Secure,           // the connection is under TLS (authenticated without a name)
    Principal,        // `text` holds for the peer's verified identity
    ServerName,       // `text` holds for the SNI, "" where there is none
    Path,             // `text` holds for the path without its query
    Field,            // `field`
    DirectRemote,     // `range` has the socket's peer
    Source,           // `range` has the peer by the PROXY protocol
    Remote,           // `range` has the client by X-Forwarded-For
    Destination,      // `range` has our address
    DestinationPort,  // from `port_first` to `port_last`
    Claim,            // `claim`, of a verified token
  } kind = Kind::Always;
  bool negated = false;

  std::vector<Condition> parts = {};
  route::TextMatch text = {};
  std::string label = {};  // Path: the template that `text` was made of
  route::FieldMatch field = {};
  IpRange range = {};
  uint16_t port_first = 0;
  uint16_t port_last = 0;
  route::ClaimRule claim = {};
};

enum class Action : uint8_t { Allow, Deny, Log };

// Matches where one of the permissions and one of the principals hold.
struct Policy {
  std::string name = {};  // "ns[NAMESPACE]-policy[NAME]-rule[N]", as Istio has it
  std::vector<Condition> permissions = {};
  std::vector<Condition> principals = {};
};

// In order of the names: the first policy that matches decides.
struct RuleSet {
  Action action = Action::Allow;
  std::vector<Policy> policies = {};
};

}  // namespace mesh::authz

// Demand: what a node gets that subscribes on demand: the hosts it asked for, what their rules
// lead to, and what cannot be asked for. Pure, one thread.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "discovery/model.h"

namespace mesh::discovery {

using Hosts = std::set<std::string, std::less<>>;

struct Demand {
  std::shared_ptr<const Hosts> hosts;  // for Node::hosts
  Hosts names;                         // that were asked for, without ports, in lower case
  bool unresolved = false;             // nobody has one of them
  bool gateways = false;               // gateways select the node: rules of any host may be theirs
  bool by_port = false;                // services of some ports are there unasked

  // Whether the node might get something else when services or rules of this host are other
  // ones: it has the host; it asked for what may be a short form of it; or it has a wildcard
  // that the host stands above, or below.
  bool may_heed(std::string_view host) const;
};

// `asked`: as requests name hosts, HOST or HOST:PORT; what nobody has brings nothing. Unasked
// come services where they are told apart by port alone, hosts that the egress of the node's
// Sidecar names, and what routes of gateways that select it lead to. Node::hosts is not looked
// at.
Demand demand_of(const Model& model, const Node& node, const Hosts& asked);

// The hosts that come with this one; nothing: nobody has it.
std::optional<Hosts> brought_by(const Model& model, const Node& node, std::string_view asked);

}  // namespace mesh::discovery

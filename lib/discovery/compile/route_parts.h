// RouteParts: the virtual hosts of a service as nodes of one view call it, kept as bytes.
//
// A RouteConfiguration is a row of virtual hosts. With each set of hosts that nodes subscribe
// to it is another row of the same ones, and with a changed rule one of them is different:
// nearly all of what it takes to make one is to write out again what is known.
//
// Whoever keeps parts drops those that depends_on() a host whose services or rules changed,
// and all of them when anything else did. Two nodes may share parts where their units are
// shared (catalog.h), and one Sidecar is for both.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/model.h"

namespace mesh::discovery {

// The virtual host of one port.
struct RoutePart {
  // In their order. Whichever another virtual host has already is not said again.
  struct Domain {
    std::string text;
    bool with_port;
  };
  std::string name;
  std::vector<Domain> domains;
  std::string rest;  // the VirtualHost, serialized, but for its name and domains

  // What it was made of. `addresses` are the service's; `leads` are other hosts that its rules
  // name, each with the namespace of the service that the node may call by it, or "".
  std::vector<std::string> addresses;
  std::vector<std::pair<std::string, std::string>> leads;

  bool depends_on(const std::set<std::string, std::less<>>& hosts) const;
  // Whether it is the same for a node that may call these: services_for(), and the part's own
  // among them.
  bool fits(const Service& service, const std::vector<const Service*>& callable) const;
};

using RouteParts = std::map<uint32_t, RoutePart>;  // by port
using RoutePartsOf = std::function<RouteParts&(const Service&)>;

// Of services_for(), the one of the host; null: none.
const Service* service_of(const std::vector<const Service*>& services, std::string_view host);

// A field of a message, of a number below 16, that has a length: serialized behind what is
// there.
void append_field(uint32_t number, std::string_view bytes, std::string& to);

}  // namespace mesh::discovery

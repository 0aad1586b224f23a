// Origin: what a resource says of where it comes from: its metadata "mesh".
//
// discoveryd writes it (discovery/provenance.h has the words), a forwarder does
// nothing by it: it is for messages and for `mesh why`. Resources of others have
// none. Pure, any thread. Bytes that do not parse have no origin.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mesh::xds {

// "config": the rule, subset or port that made it; "service": who declares the
// service; "policy": the ServicePolicy; "mtls": the PeerAuthentication; "timeout",
// "retries", "fault": who set these. What is not said is not there.
using Origins = std::map<std::string, std::string>;

// Of a listener or a cluster as a whole.
Origins origins_of(std::string_view type_url, std::string_view body);

// Of a route configuration's routes: by virtual host, then by route.
std::vector<std::vector<Origins>> route_origins(std::string_view body);

// Of the part of the resource that `error`, of the decoder, names:
// "virtual_hosts[0].routes[2].match..." is the route's. Empty: not known.
std::string refused_origin(std::string_view type_url, std::string_view body,
                           std::string_view error);

}  // namespace mesh::xds

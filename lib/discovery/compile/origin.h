// What a resource says of where it comes from: its metadata "mesh". Inside of
// lib/discovery/compile only; xds/origin.h reads it.
#pragma once

#include <string>

#include "discovery/objects.h"
#include "envoy/config/core/v3/core.pb.h"

namespace mesh::discovery {

// metadata.filter_metadata["mesh"][key] = origin; nothing where it is empty.
void set_origin(const std::string& key, const std::string& origin,
                envoy::config::core::v3::Metadata& into);

// http[route] of a VirtualService and its match[match]; -1: it has none.
struct RulePlace {
  int route;
  int match;
};
// "config": the rule and its match; "timeout", "retries", "fault": who set these.
void set_rule_origin(const Object<istio::VirtualService>& object, const istio::HTTPRoute& route,
                     RulePlace place, envoy::config::core::v3::Metadata& into);

}  // namespace mesh::discovery

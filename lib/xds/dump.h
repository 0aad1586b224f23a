// Dump: the resources in use as JSON for people, in the form of Envoy's
// /config_dump (envoy.admin.v3.ConfigDump).
//
// Private keys, passwords and tickets are replaced by "[redacted]", at any depth
// and inside of Any too. Pure, any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace mesh::xds {

// One resource as it was received: serialized, by its type URL.
struct DumpResource {
  std::string_view type;
  std::string_view version;  // empty: static
  std::string_view body;
};

struct DumpFilter {
  std::string resource;  // a field of the dumps: "static_listeners"; empty: all
  std::function<bool(std::string_view)> name;
  bool endpoints = false;
};

// `bootstrap` is a serialized Bootstrap, whose static resources are dumped too;
// empty where there is none. `updated` is when all this came into use.
// Errc::NotFound: no such field. Errc::Invalid: bytes that do not parse.
Result<std::string> dump(std::string_view bootstrap, const std::vector<DumpResource>& resources,
                         const DumpFilter& filter, WallTime updated);

// One resource alone, in one line. Errc::Invalid: an unknown type, or bytes that do
// not parse.
Result<std::string> resource_json(std::string_view type_url, std::string_view body);

}  // namespace mesh::xds

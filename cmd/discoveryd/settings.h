// discoveryd's settings as values.
#pragma once

#include "base/result.h"
#include "discovery/model.h"
#include "discovery/registry.h"
#include "mesh/settings_discoveryd.pb.h"

namespace mesh::discoveryd {

struct Settings {
  discovery::Model::Options model;
  discovery::Registry::Limits registry;
};

// Errc::Invalid begins with the key.
Result<Settings> settings_of(const settings::v1::Discoveryd& message);

}  // namespace mesh::discoveryd

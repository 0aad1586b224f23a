// Authorizers among the providers of MeshConfig, as Istio checks them. Inside of
// lib/config/validate only.
#pragma once

#include <string>

#include "config/validate/checker.h"
#include "mesh/v1/mesh_config.pb.h"

namespace mesh::config {

// False where it is no authorizer: then nothing was checked.
bool check_authorizer(const ::mesh::v1::ExtensionProvider& provider, const std::string& path,
                      Checker& checker);

}  // namespace mesh::config

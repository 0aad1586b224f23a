// The settings of an etcd cluster, as the client needs them.
#pragma once

#include <string>

#include "etcd/client.h"
#include "mesh/settings_etcd.pb.h"

namespace mesh::etcd {

// What is wrong with them, in words that begin with the field. Reads no files.
Result<void> check(const settings::v1::Etcd& settings);

// Reads the files, those that are not absolute below `config_dir`. Errc::Invalid names
// the field, Errc::NotFound and Errc::System the file.
Result<Client::Options> options_of(const settings::v1::Etcd& settings,
                                   const std::string& config_dir);

// With the "/" at its end.
std::string prefix_of(const settings::v1::Etcd& settings);

}  // namespace mesh::etcd

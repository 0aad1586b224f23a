// Offline: a directory of configuration as the mesh that it would make, without asking
// anybody: what is not configuration stays unknown, and the snapshot says so.
#pragma once

#include <string>

#include "base/result.h"
#include "mesh/snapshot.pb.h"

namespace mesh::explain {

// A forwarder for each WorkloadEntry, as if it ran and took its application's requests.
// Errc::NotFound: no such directory; Errc::Invalid: its objects are not right, all of
// what is wrong in lines. Blocking.
Result<snapshot::v1::Snapshot> from_directory(const std::string& path);

}  // namespace mesh::explain

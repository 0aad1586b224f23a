// view: what forwarders hold, gathered from the forwarders themselves where they
// are on this host, else from discoveryd.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "mesh/discoveryd.pb.h"
#include "mesh/forwarder.pb.h"
#include "mesh/snapshot.pb.h"

namespace mesh::cmd {

// Whose word is taken.
enum class Source : uint8_t {
  Either,  // the forwarder's where it answers, else discoveryd's
  Live,    // the forwarder's
  Served,  // discoveryd's: what was compiled for it
};

// The forwarder that `name`, NAME or NAME@HOST, means: of those that discoveryd
// knows or that serve in the run directory. Errc::NotFound with the nearest;
// Errc::Invalid where NAME is on several hosts.
Result<std::string> find_forwarder(const cli::Context& context, const std::string& name);

// Of this host: where it answers on the bus. Empty: of another.
std::string forwarder_socket(const cli::Context& context, const std::string& node);

// Adds the forwarder to the snapshot, its resources (all types where `types` is
// empty) and the health of its endpoints. Errors: as ask(); Errc::NotFound.
Result<void> add_forwarder(const cli::Context& context, const std::string& node, Source source,
                           const std::vector<std::string>& types, snapshot::v1::Snapshot& to);

// The same of one that discoveryd's status tells of, with what that says of it.
Result<void> add_forwarder(const cli::Context& context, const discoveryd::v1::Forwarder& known,
                           snapshot::v1::Snapshot& to);

// Of one of the snapshot's forwarders that subscribes on demand: what it would hold if it asked
// for this host, or, where that is empty, for every host. Where discoveryd does not tell, the
// snapshot says so.
void add_would_hold(const cli::Context& context, const std::string& host,
                    snapshot::v1::Snapshot& to, snapshot::v1::Forwarder& forwarder);

// Adds the places of all origins that the snapshot's resources name. Without
// discoveryd none are known, and the snapshot says so.
void add_places(const cli::Context& context, snapshot::v1::Snapshot& to);

}  // namespace mesh::cmd

// in_force: waits until every forwarder uses a generation.
#pragma once

#include <string>

#include "cli/command.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::cmd {

// Asks discoveryd until each forwarder that watches it or another host's, or is
// expected back (it restarted, or discoveryd or its host did), has `generation` in
// force, at most until context.timeout has passed; discoveryd may be away in
// between. Says on stderr how many there are and how long it took (measured
// from `since`), or who lags and why: Exit::Deadline; Exit::No at once where nobody
// lags but those that refuse a part of it or are refused by discoveryd. The
// generation may be shortened to its first characters.
cli::Exit wait_in_force(const cli::Context& context, const std::string& generation, Instant since);

// "NODE is refused by discoveryd: REASON".
std::string refusal_text(const discoveryd::v1::RefusedForwarder& refused);

// "NAME: REASON (ORIGIN, FILE:LINE:COLUMN)", as far as it is known.
std::string refusal_text(const discoveryd::v1::Forwarder::Rejection& rejection);

}  // namespace mesh::cmd

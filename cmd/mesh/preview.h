// preview: what forwarders would get of a change that was not made.
#pragma once

#include "cli/command.h"
#include "mesh/configd.pb.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::cmd {

// Of the reply to a dry run with `want_objects`.
discoveryd::v1::PreviewRequest preview_request(const configd::v1::ChangeReply& reply);

// Asks discoveryd, which may be a moment behind configd: for a second it is asked again.
Result<discoveryd::v1::PreviewReply> fetch_preview(const cli::Context& context,
                                                   const discoveryd::v1::PreviewRequest& request);

// Of the reply to a dry run with `want_objects`: a line on stdout for each resource
// that would change, "forwarder NODE TYPE NAME added|changed|removed", and a summary
// on stderr. Where discoveryd cannot tell, that is said on stderr.
void print_preview(const cli::Context& context, const configd::v1::ChangeReply& reply);

}  // namespace mesh::cmd

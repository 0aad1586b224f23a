// What apply, delete and rollback have in common: how a change is asked for, told, and
// waited for.
#pragma once

#include "base/clock.h"
#include "cli/command.h"
#include "cmd/mesh/ask.h"
#include "mesh/configd.pb.h"

namespace mesh::cmd {

// On stderr; false where configd refused.
bool print_problems(const cli::Context& context, const configd::v1::ChangeReply& reply);

// Prints problems on stderr, a line an object and the generation on stdout; with
// --dry-run also what forwarders would get. With --wait (and no --dry-run) waits
// until the generation is in force, and says how long that took from `since`.
// Exit::No where configd refused.
cli::Exit finish_change(cli::Context& context, const configd::v1::ChangeReply& reply,
                        Instant since);

// Asks configd for a change (ApplyRequest, DeleteRequest, RollbackRequest) and
// finishes it.
template <class Request>
cli::Exit change(cli::Context& context, const Request& request, Instant since) {
  const auto reply = ask<configd::v1::ChangeReply>(context, "configd", request);
  return reply ? finish_change(context, *reply, since) : context.fail(reply.error());
}

}  // namespace mesh::cmd

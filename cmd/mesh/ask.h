// ask: one question to a daemon, for commands.
#pragma once

#include <string>
#include <string_view>

#include "bus/call_blocking.h"
#include "cli/command.h"

namespace mesh::cmd {

// The error of a call, with what to type next where the daemon is not there or
// does not let this user in.
inline Error explain(Error error, std::string_view daemon) {
  const std::string name(daemon);
  if (error.kind == Errc::Unavailable)
    error.text += "; start it (systemctl start mesh-" + name +
                  ", or mesh up DIR), or name its run directory with --run-dir DIR";
  if (error.kind == Errc::Refused) error.text += "; join the group _mesh, or use sudo";
  return error;
}

// Asks `daemon` and waits for the answer, at most context.timeout.
template <class Rep, class Req>
Result<Rep> ask(const cli::Context& context, std::string_view daemon, const Req& request) {
  auto reply = bus::call_blocking<Rep>(context.socket(daemon), request, context.timeout);
  if (!reply) return explain(std::move(reply).error(), daemon);
  return reply;
}

}  // namespace mesh::cmd

// What apply and delete have in common: how a change is told.
#pragma once

#include "cli/command.h"

namespace mesh::configd::v1 {
class ChangeReply;
}

namespace mesh::cmd {

// Prints problems on stderr, a line an object and the generation on stdout.
// Exit::No where configd refused.
cli::Exit print_change(const cli::Context& context, const configd::v1::ChangeReply& reply);

}  // namespace mesh::cmd

#include "cmd/mesh/change.h"

#include "cmd/mesh/in_force.h"

namespace mesh::cmd {
namespace {

std::string_view word(configd::v1::Change::What what) {
  switch (what) {
    case configd::v1::Change::CREATED: return "created";
    case configd::v1::Change::CONFIGURED: return "configured";
    case configd::v1::Change::DELETED: return "deleted";
    default: return "unchanged";  // also what was to be deleted and is not there
  }
}

// Exit::No where configd refused.
cli::Exit print_change(const cli::Context& context, const configd::v1::ChangeReply& reply) {
  bool refused = false;
  for (const auto& problem : reply.problems()) {
    refused = refused || !problem.warning();
    cli::print(stderr, (problem.warning() ? "warning: " : "") + problem.text() + "\n");
  }
  if (refused) {
    context.say("nothing was changed; generation " + reply.generation() + " stays");
    return cli::Exit::No;
  }
  std::string lines;
  for (const auto& change : reply.changes())
    lines.append(change.object()).append(" ").append(word(change.what())).append("\n");
  cli::print(stdout, lines + "generation " + reply.generation() + "\n");
  return cli::Exit::Done;
}

}  // namespace

cli::Exit finish_change(cli::Context& context, const configd::v1::ChangeReply& reply,
                        Instant since) {
  const cli::Exit done = print_change(context, reply);
  const bool wait = context.arguments.has("--wait") && !context.arguments.has("--dry-run");
  if (done != cli::Exit::Done || !wait) return done;
  return wait_in_force(context, reply.generation(), since);
}

}  // namespace mesh::cmd

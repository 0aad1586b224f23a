#include "cmd/mesh/change.h"

#include "base/text.h"
#include "cmd/mesh/in_force.h"
#include "cmd/mesh/preview.h"

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
  if (!print_problems(context, reply)) return cli::Exit::No;
  std::string lines;
  for (const auto& change : reply.changes())
    lines.append(change.object()).append(" ").append(word(change.what())).append("\n");
  const bool unchanged = reply.changes().empty() && reply.generation() == reply.generation_before();
  cli::print(stdout,
             lines + "generation " + reply.generation() + (unchanged ? " unchanged\n" : "\n"));
  if (reply.trial_until_unix_ms() != 0) {
    const WallTime until{std::chrono::milliseconds(reply.trial_until_unix_ms())};
    context.say("taken back at " + text::format_time(until) + " unless: mesh confirm " +
                reply.generation());
  }
  return cli::Exit::Done;
}

}  // namespace

bool print_problems(const cli::Context& context, const configd::v1::ChangeReply& reply) {
  bool refused = false;
  for (const auto& problem : reply.problems()) {
    refused = refused || !problem.warning();
    cli::print(stderr, (problem.warning() ? "warning: " : "") + problem.text() + "\n");
  }
  if (refused) context.say("nothing was changed; generation " + reply.generation() + " stays");
  return !refused;
}

cli::Exit finish_change(cli::Context& context, const configd::v1::ChangeReply& reply,
                        Instant since) {
  const cli::Exit done = print_change(context, reply);
  if (done != cli::Exit::Done) return done;
  if (context.arguments.has("--dry-run")) print_preview(context, reply);
  if (context.arguments.has("--dry-run") || !context.arguments.has("--wait")) return done;
  return wait_in_force(context, reply.generation(), since);
}

}  // namespace mesh::cmd

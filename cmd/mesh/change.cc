#include "cmd/mesh/change.h"

#include "mesh/configd.pb.h"

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

}  // namespace

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

}  // namespace mesh::cmd

#include "cmd/mesh/change.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/files.h"

namespace mesh::cmd {
namespace {

cli::Exit run(cli::Context& context) {
  const Instant since = SystemClock().now();
  if (!context.arguments.has("--file"))
    return context.fail(cli::Exit::Usage, "expected -f FILE, -f DIR or -f -");
  const auto files = read_inputs(context.arguments.all("--file"));
  if (!files) return context.fail(cli::Exit::No, files.error().text);
  configd::v1::ApplyRequest request;
  request.set_dry_run(context.arguments.has("--dry-run"));
  for (const InputFile& input : *files) {
    auto* file = request.add_files();
    file->set_name(input.name);
    file->set_text(input.text);
  }
  return change(context, request, since);
}

}  // namespace

cli::Command apply_command() {
  return {
      .name = "apply",
      .summary = "take objects into the configuration, all or none",
      .example = "mesh apply -f reviews.yaml --wait",
      .more =
          "Prints \"KIND/NAMESPACE/NAME created|configured|unchanged\" for each object,\n"
          "then the generation. With --wait it returns when every forwarder reports\n"
          "the generation in force, and says how long that took.\n",
      .options = {{"-f,--file", "FILE", "a file, a directory, or - for stdin; may be repeated"},
                  {"--dry-run", "", "say what would change, and change nothing"},
                  {"--wait", "", "until every forwarder has it in force"}},
      .waiting = true,
      .exits = {cli::Exit::No, cli::Exit::Unavailable, cli::Exit::Deadline, cli::Exit::NotAllowed},
      .run = run};
}

}  // namespace mesh::cmd

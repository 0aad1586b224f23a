#include "cmd/mesh/commands.h"
#include "cmd/mesh/files.h"
#include "config/directory.h"

namespace mesh::cmd {
namespace {

cli::Exit run(cli::Context& context) {
  const auto files = read_inputs(context.arguments.words());
  if (!files) return context.fail_here(files.error());
  config::Reading reading;
  for (const InputFile& file : *files) config::read_into(reading, file.name, file.text);
  std::string lines;
  for (const std::string& error : reading.errors) lines += error + "\n";
  for (const std::string& warning : reading.warnings) lines += "warning: " + warning + "\n";
  cli::print(stdout, lines);
  if (!reading.errors.empty()) return cli::Exit::No;
  context.say(std::to_string(reading.set.size()) + " objects are right");
  return cli::Exit::Done;
}

}  // namespace

cli::Command validate_command() {
  return {.name = "validate",
          .summary = "say what is wrong in files, without any daemon",
          .words = "FILE...",
          .words_min = 1,
          .words_max = 10'000,
          .example = "mesh validate reviews.yaml config/",
          .more =
              "Prints every problem of every file as FILE:LINE:COLUMN: ..., on stdout. A FILE\n"
              "may be a directory, or - for stdin. What an object means is looked at when its\n"
              "shape is right, and nothing of a file that comes after what is no YAML. Whether\n"
              "objects fit together is seen by mesh apply --dry-run.\n",
          .exits = {cli::Exit::No, cli::Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

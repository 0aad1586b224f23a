#include "cmd/mesh/commands.h"

namespace mesh::cmd {
namespace {

cli::Exit run(cli::Context& context) {
  const auto script = cli::completion_script(context.arguments.words()[0], commands());
  if (!script) return context.fail(cli::Exit::Usage, script.error().text);
  cli::print(stdout, *script);
  return cli::Exit::Done;
}

}  // namespace

cli::Command completion_command() {
  return {.name = "completion",
          .summary = "print a completion script for bash or zsh",
          .words = "bash | zsh",
          .words_min = 1,
          .words_max = 1,
          .example = "source <(mesh completion bash)",
          .run = run};
}

}  // namespace mesh::cmd

#include <algorithm>

#include "base/text.h"
#include "cmd/mesh/commands.h"

namespace mesh::cmd {
namespace {

using cli::Exit;

std::string overview() {
  std::string out =
      "mesh - a service mesh for plain Linux hosts\n\nusage: mesh COMMAND [OPTION]...\n\n";
  size_t width = 0;
  for (const cli::Command& command : commands()) width = std::max(width, command.name.size());
  for (const cli::Command& command : commands()) {
    std::string name(command.name);
    name.resize(width + 2, ' ');
    out += "  " + name + std::string(command.summary) + "\n";
  }
  out +=
      "\nmesh help COMMAND   what it does, an example, its exit statuses\n"
      "mesh help exit      all exit statuses\n"
      "mesh NAME           runs mesh-NAME of PATH if it is no command of ours\n"
      "Manual: man mesh\n";
  return out;
}

Exit run(cli::Context& context) {
  const auto words = context.arguments.words();
  if (words.empty()) {
    cli::print(stdout, overview());
    return Exit::Done;
  }
  if (words[0] == "exit") {
    cli::print(stdout, cli::exit_text());
    return Exit::Done;
  }
  if (const cli::Command* const command = find_command(words[0]); command != nullptr) {
    cli::print(stdout, cli::help_text(*command));
    return Exit::Done;
  }
  std::vector<std::string_view> names;
  for (const cli::Command& command : commands()) names.push_back(command.name);
  std::string text = "no command " + text::quoted(words[0]);
  if (const std::string_view near = text::nearest(words[0], names); !near.empty())
    text += "; did you mean " + std::string(near) + "?";
  return context.fail(Exit::Usage, text + " (mesh help lists all)");
}

}  // namespace

cli::Command help_command() {
  return {.name = "help",
          .summary = "explain a command, or list all",
          .words = "[COMMAND | exit]",
          .words_max = 1,
          .example = "mesh help apply",
          .run = run};
}

}  // namespace mesh::cmd

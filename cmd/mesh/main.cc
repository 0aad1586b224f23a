// mesh - the command of the mesh.
//
// main() finds the command, reads its options and runs it. What there is to
// say about a command is in its own file; the table is commands.cc.

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/text.h"
#include "cli/version.h"
#include "cmd/mesh/commands.h"
#include "daemon/paths.h"
#include "daemon/protobuf_log.h"

namespace {

using namespace mesh;
using cli::Exit;

Exit usage_error(const std::string& text) {
  cli::print(stderr, "mesh: " + text + "\n");
  return Exit::Usage;
}

// `mesh NAME` is mesh-NAME of PATH where NAME is none of ours. Returns only
// where there is no such program.
void run_extension(const std::string& name, const std::vector<std::string>& line) {
  if (name.find('/') != std::string::npos) return;
  const std::string program = "mesh-" + name;
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& word : line) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(program.c_str(), argv.data());
}

Exit unknown_command(const std::string& name) {
  std::vector<std::string_view> names;
  for (const cli::Command& command : cmd::commands()) names.push_back(command.name);
  std::string text = "no command " + text::quoted(name);
  if (const std::string_view near = text::nearest(name, names); !near.empty())
    text += "; did you mean " + std::string(near) + "?";
  return usage_error(text + " (mesh help lists all)");
}

// Where the command's name stands: options may come before it.
size_t find_name(const std::vector<std::string>& line) {
  const std::vector<cli::Option> common = cli::options_of(cli::Command{});
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i].empty() || line[i][0] != '-') return i;
    for (const cli::Option& option : common)
      if (!option.value.empty() && (line[i] == option.key() || line[i] == option.short_name())) ++i;
  }
  return line.size();
}

Result<void> fill(cli::Context& context, const cli::Command& command) {
  const cli::Arguments& given = context.arguments;
  context.command = command.name;
  context.quiet = given.has("--quiet");
  context.run_dir = daemon::choose_dir(given.get("--run-dir"), "MESH_RUN_DIR", "/run/mesh");
  context.state_dir =
      daemon::choose_dir(given.get("--state-dir"), "MESH_STATE_DIR", "/var/lib/mesh");
  context.config_dir =
      daemon::choose_dir(given.get("--config-dir"), "MESH_CONFIG_DIR", "/etc/mesh");
  if (command.reading) {
    context.utc = given.has("--utc");
    MESH_TRY(context.format, cli::parse_format(given.get("--output", "table")));
  }
  if (command.waiting) {
    MESH_TRY(context.timeout, given.duration("--timeout", context.timeout));
  }
  const size_t words = given.words().size();
  if (words > command.words_max)
    return Error{Errc::Invalid, "unexpected argument " + text::quoted(given.words().back())};
  if (words < command.words_min)
    return Error{Errc::Invalid, "expected " + std::string(command.words)};
  return {};
}

Exit run_command(const cli::Command& command, const std::vector<std::string>& line) {
  constexpr int kWatchEveryMs = 2000;
  const std::string hint = " (mesh help " + std::string(command.name) + " shows how)";
  const std::string name(command.name);
  auto arguments = cli::parse(cli::options_of(command), line);
  if (!arguments) return usage_error(name + ": " + arguments.error().text + hint);
  if (arguments->has("--help")) {
    cli::print(stdout, cli::help_text(command));
    return Exit::Done;
  }
  cli::Context context;
  context.arguments = *std::move(arguments);
  if (auto filled = fill(context, command); !filled)
    return usage_error(name + ": " + filled.error().text + hint);
  if (!command.reading || !context.arguments.has("--watch")) return command.run(context);
  for (;;) {
    if (context.format == cli::Format::Table && isatty(STDOUT_FILENO) != 0)
      cli::print(stdout, "\x1b[H\x1b[2J");
    const Exit status = command.run(context);
    if ((status != Exit::Done && status != Exit::No) || !cli::printed()) return status;
    ::poll(nullptr, 0, kWatchEveryMs);
  }
}

Exit run(std::vector<std::string> line) {
  const size_t at = find_name(line);
  if (at == line.size()) {
    for (const std::string& word : line) {
      if (word != "--version") continue;
      cli::print(stdout, "mesh " + std::string(cli::kVersion) + "\n");
      return Exit::Done;
    }
    const bool asked = line.empty() || line[0] == "--help" || line[0] == "-h";
    if (!asked) return usage_error("no command given (mesh help lists all)");
    return run_command(*cmd::find_command("help"), {});
  }
  const std::string name = line[at];
  line.erase(line.begin() + ptrdiff_t(at));
  if (const cli::Command* const command = cmd::find_command(name); command != nullptr)
    return run_command(*command, line);
  run_extension(name, line);
  if (errno != ENOENT)
    return usage_error("mesh-" + name + " of PATH cannot be run: " + strerror(errno));
  return unknown_command(name);
}

// So that no socket gets the number of a standard stream that was closed, and with it what
// is printed: writing to such a one fails.
void fill_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) < 0)
      static_cast<void>(open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY));
}

// What was not written was not done, whatever else was.
Exit with_output(Exit status) {
  const auto printed = cli::printed();
  if (printed) return status;
  cli::print(stderr, "mesh: " + printed.error().text + "\n");
  return status == Exit::Done || status == Exit::No ? Exit::OutputLost : status;
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that had enough (mesh ... | head) ends us quietly.
  signal(SIGPIPE, SIG_DFL);
  fill_closed_streams();
  daemon::take_protobuf_log();
  return int(with_output(run(std::vector<std::string>(argv + std::min(argc, 1), argv + argc))));
}

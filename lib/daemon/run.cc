#include <google/protobuf/message.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/version.h"
#include "daemon/command_line.h"
#include "daemon/program.h"
#include "daemon/protobuf_log.h"
#include "daemon/settings.h"
#include "daemon/skeleton.h"

namespace mesh::daemon {
namespace {

using cli::Exit;

log::Level level_for(int verbosity) {
  if (verbosity > 0) return log::Level::Debug;
  return verbosity < 0 ? log::Level::Warning : log::Level::Info;
}

void say(FILE* to, const std::string& text) {
  fwrite(text.data(), 1, text.size(), to);
  fflush(to);
}

// Errors before there is a log: words for people, as they are. What systemd
// starts to check the settings (ExecReload=... -n) has the journal there, and
// each line its priority.
void complain(const std::string& text) {
  if (!log::to_journal()) return say(stderr, text + "\n");
  for (const std::string_view fault : text::split(text, '\n'))
    if (!fault.empty()) say(stderr, "<3>" + std::string(fault) + "\n");
}

// Why start() failed, as an exit status: systemd must not try again what only
// a person can mend.
Exit exit_for_start(Errc kind) {
  if (kind == Errc::Invalid) return Exit::WrongSettings;
  if (kind == Errc::Internal) return Exit::Fault;
  return Exit::No;
}

Exit check_only(const CommandLine& line, const std::string& name) {
  const std::string file =
      line.settings_path.empty() ? "no settings file, defaults" : line.settings_path;
  if (line.verbosity >= 0) say(stdout, name + ": " + file + ": OK\n");
  return Exit::Done;
}

Exit run_process(const Program& program, int argc, char** argv) {
  const std::string name(program.name);
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  auto line = read_command_line(program, words);
  if (!line) {
    complain(name + ": " + line.error().text + " (" + name + " --help lists all)");
    return Exit::Usage;
  }
  if (line->help) {
    say(stdout, help_text(program));
    return Exit::Done;
  }
  if (line->version) {
    say(stdout, name + " (mesh) " + std::string(cli::kVersion) + "\n");
    return Exit::Done;
  }
  Settings settings;
  if (program.settings != nullptr) {
    auto loaded = load_settings(program, line->settings_path);
    if (!loaded) {
      complain(loaded.error().text);
      return Exit::WrongSettings;
    }
    settings = *std::move(loaded);
  }
  if (line->check_only) return check_only(*line, name);

  log::configure(line->name == name ? name : name + "@" + line->name, level_for(line->verbosity));
  Skeleton skeleton(program, *std::move(line), std::move(settings));
  if (auto started = skeleton.start(); !started) {
    for (const std::string_view fault : text::split(started.error().text, '\n'))
      if (!fault.empty()) log::error("cannot start: " + std::string(fault));
    return exit_for_start(started.error().kind);
  }
  skeleton.run();
  return Exit::Done;
}

}  // namespace

int run(const Program& program, int argc, char** argv) {
  // A peer that went away is an error of the write, not our end; what we
  // create is for us and our group.
  signal(SIGPIPE, SIG_IGN);
  umask(0027);
  take_protobuf_log();
  return int(run_process(program, argc, argv));
}

}  // namespace mesh::daemon

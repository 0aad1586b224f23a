// CommandLine: what every daemon's options mean, worked out once.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "daemon/paths.h"
#include "daemon/program.h"

namespace mesh::daemon {

struct CommandLine {
  cli::Arguments arguments;
  std::string name;  // the instance's, or the program's
  Paths paths;
  std::string settings_path;    // empty: there is no file, the defaults hold
  bool settings_named = false;  // by -c: then it must exist
  bool check_only = false;      // -n
  bool help = false;
  bool version = false;
  int verbosity = 0;  // -v counts up, -q down
};

// All that `program` takes: what all daemons have, and its own.
std::vector<cli::Option> options_of(const Program& program);

// Reads the command line (without the program's name) and the environment.
// Errc::Invalid in words for people.
Result<CommandLine> read_command_line(const Program& program, std::span<const std::string> line);

// What --help prints.
std::string help_text(const Program& program);

}  // namespace mesh::daemon

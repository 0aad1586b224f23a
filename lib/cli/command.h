// Command: one subcommand of `mesh`, described once. The command line, help,
// the completion and the tests of the contract read the same description.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/output.h"

namespace mesh::cli {

// What a command is given, and how it answers.
class Context {
 public:
  Arguments arguments;
  std::string command;    // its name, for messages
  std::string run_dir;    // sockets: RUN_DIR/NAME.sock
  std::string state_dir;  // of the whole mesh
  std::string config_dir;
  Format format = Format::Table;                // -o; of reading commands
  bool quiet = false;                           // -q
  bool utc = false;                             // --utc
  Duration timeout = std::chrono::seconds(30);  // --timeout

  // Where a daemon answers on the bus.
  std::string socket(std::string_view daemon) const {
    return run_dir + "/" + std::string(daemon) + ".sock";
  }

  // Words for people on stderr, one line; not with -q.
  void say(std::string_view text) const;

  // "mesh COMMAND: text" on stderr, also with -q; the status to return.
  Exit fail(const Error& error) const;
  Exit fail(Exit status, std::string_view text) const;
  // Of what the command line names: what is not known is Exit::No, what is no name Exit::Usage.
  Exit fail_named(const Error& error) const;
  // Of what this process did, not a daemon: what the kernel does not let its user do is
  // Exit::NotAllowed.
  Exit fail_here(const Error& error) const;
};

struct Command {
  std::string_view name = {};
  std::string_view summary = {};  // one line, no full stop
  std::string_view words = {};    // its arguments, as in "FILE..."; empty: takes none
  size_t words_min = 0;
  size_t words_max = 0;
  std::string_view example = {};  // a line that can be pasted: "mesh apply -f reviews.yaml --wait"
  std::string_view more = {};     // further help, lines within 80 columns
  std::vector<Option> options = {};  // beside those that all have
  bool reading = false;              // prints a list: has -o, --utc and --watch
  bool waiting = false;              // asks a daemon: has --timeout
  std::vector<Exit> exits = {};      // beside Done, Usage, Fault and OutputLost
  std::function<Exit(Context&)> run = {};
};

// All options of a command: its own first, then the common ones.
std::vector<Option> options_of(const Command& command);

// What `mesh help COMMAND` prints.
std::string help_text(const Command& command);

// What `mesh help exit` prints.
std::string exit_text();

// A completion script for "bash" or "zsh". Errc::Invalid for another shell.
Result<std::string> completion_script(std::string_view shell, const std::vector<Command>& commands);

}  // namespace mesh::cli

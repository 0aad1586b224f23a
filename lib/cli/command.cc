#include "cli/command.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace mesh::cli {
namespace {

constexpr std::array kReading = std::to_array<Option>({
    {"-o,--output", "FORM", "table, wide, json (an object a line), yaml or name"},
    {"--utc", "", "times in RFC 3339 instead of ages"},
    {"--watch", "", "print again every two seconds, until interrupted"},
});
constexpr Option kTimeout{"--timeout", "DURATION", "how long to wait (30s)"};
constexpr std::array kCommon = std::to_array<Option>({
    {"-q,--quiet", "", "no words for people, data and errors only"},
    {"--run-dir", "DIR", "the daemons' sockets (MESH_RUN_DIR, /run/mesh)"},
    {"--state-dir", "DIR", "what survives (MESH_STATE_DIR, /var/lib/mesh)"},
    {"--config-dir", "DIR", "settings files (MESH_CONFIG_DIR, /etc/mesh)"},
    {"-h,--help", "", "print this and exit"},
});

std::string exit_line(Exit status) {
  std::string number = std::to_string(int(status));
  number.insert(0, 4 - number.size(), ' ');
  return number + "  " + std::string(describe(status)) + "\n";
}

}  // namespace

void Context::say(std::string_view text) const {
  if (!quiet) print(stderr, std::string(text) + "\n");
}

Exit Context::fail(Exit status, std::string_view text) const {
  print(stderr, "mesh " + command + ": " + std::string(text) + "\n");
  return status;
}

Exit Context::fail(const Error& error) const { return fail(exit_for(error.kind), error.text); }

Exit Context::fail_named(const Error& error) const {
  return fail(error.kind == Errc::NotFound ? Exit::No : Exit::Usage, error.text);
}

Exit Context::fail_here(const Error& error) const {
  for (const int denied : {EACCES, EPERM})
    if (error.kind == Errc::System && error.text.ends_with(strerror(denied)))
      return fail(Exit::NotAllowed, error.text);
  return fail(error);
}

std::vector<Option> options_of(const Command& command) {
  std::vector<Option> options = command.options;
  if (command.reading) options.insert(options.end(), kReading.begin(), kReading.end());
  if (command.waiting) options.push_back(kTimeout);
  options.insert(options.end(), kCommon.begin(), kCommon.end());
  return options;
}

std::string help_text(const Command& command) {
  const std::string name(command.name);
  std::string out = "mesh " + name + " - " + std::string(command.summary) + "\n\n";
  constexpr size_t kWidth = 80;
  const std::string usage = "usage: mesh " + name + " [OPTION]...";
  const bool fits = usage.size() + 1 + command.words.size() <= kWidth;
  out += usage;
  if (!command.words.empty()) out += (fits ? " " : "\n       ") + std::string(command.words);
  out += "\n\n" + format_options(options_of(command));
  if (!command.more.empty()) out += "\n" + std::string(command.more) + "\n";
  out += "\nExample:\n  " + std::string(command.example) + "\n\nExit status:\n";
  std::vector<Exit> exits = command.exits;
  for (const Exit always : {Exit::Done, Exit::Usage, Exit::Fault, Exit::OutputLost})
    exits.push_back(always);
  std::sort(exits.begin(), exits.end());
  exits.erase(std::unique(exits.begin(), exits.end()), exits.end());
  for (const Exit status : exits) out += exit_line(status);
  return out;
}

std::string exit_text() {
  std::string out = "Exit statuses, the same in every command:\n\n";
  for (const ExitMeaning& meaning : exit_meanings()) out += exit_line(meaning.status);
  return out;
}

}  // namespace mesh::cli

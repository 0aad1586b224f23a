#include "daemon/command_line.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace mesh::daemon {
namespace {

constexpr std::array kCommon = std::to_array<cli::Option>({
    {"-c,--config", "FILE", "settings file (default CONFIG_DIR/NAME.yaml, if there)"},
    {"-n,--check", "", "check the settings, say OK or what is wrong, and exit"},
    {"-v,--verbose", "", "log more"},
    {"-q,--quiet", "", "log warnings and errors only"},
    {"--run-dir", "DIR", "sockets and locks (MESH_RUN_DIR, /run/mesh)"},
    {"--state-dir", "DIR", "what survives, in DIR/NAME (MESH_STATE_DIR, /var/lib/mesh)"},
    {"--config-dir", "DIR", "settings files (MESH_CONFIG_DIR, /etc/mesh)"},
    {"--user", "NAME", "whom to become when started as root (MESH_USER)"},
    {"--version", "", "print the version and exit"},
    {"-h,--help", "", "print this and exit"},
});

constexpr cli::Option kName{"--name", "NAME", "this instance's name (default: the file's)"};

// A name becomes part of file names and of NAME@HOST.
bool good_name(std::string_view name) {
  constexpr size_t kNameMax = 63;
  return !name.empty() && name.size() <= kNameMax && name.front() != '-' && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

std::string stem(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  if (const size_t dot = name.rfind('.'); dot != std::string_view::npos && dot > 0)
    name = name.substr(0, dot);
  return std::string(name);
}

Result<std::string> instance_name(const Program& program, const CommandLine& line) {
  std::string name = line.arguments.get("--name");
  if (name.empty() && line.settings_named) name = stem(line.arguments.get("--config"));
  if (name.empty()) name = program.name;
  if (good_name(name)) return name;
  return Error{
      Errc::Invalid,
      "--name: expected letters, digits, '-', '_' and '.', at most 63, got " + text::quoted(name)};
}

}  // namespace

std::vector<cli::Option> options_of(const Program& program) {
  std::vector<cli::Option> options;
  for (const cli::Option& option : kCommon) {
    const bool of_settings = option.key() == "--config" || option.key() == "--check";
    if (!of_settings || program.settings != nullptr) options.push_back(option);
  }
  if (program.instances) options.push_back(kName);
  options.insert(options.end(), program.options.begin(), program.options.end());
  return options;
}

Result<CommandLine> read_command_line(const Program& program, std::span<const std::string> line) {
  CommandLine out;
  MESH_TRY(out.arguments, cli::parse(options_of(program), line));
  const cli::Arguments& given = out.arguments;
  out.help = given.has("--help");
  out.version = given.has("--version");
  if (out.help || out.version) return out;
  if (!given.words().empty())
    return Error{Errc::Invalid, "unexpected argument " + text::quoted(given.words().front())};

  out.check_only = given.has("--check");
  out.verbosity = int(given.count("--verbose")) - int(given.count("--quiet"));
  out.settings_named = given.has("--config");
  out.name = program.name;
  if (program.instances) {
    MESH_TRY(out.name, instance_name(program, out));
  }
  const bool instance = program.instances && out.name != program.name;

  out.paths.run_dir = choose_dir(given.get("--run-dir"), "MESH_RUN_DIR", "/run/mesh");
  out.paths.config_dir = choose_dir(given.get("--config-dir"), "MESH_CONFIG_DIR", "/etc/mesh");
  out.paths.state_dir = choose_dir(given.get("--state-dir"), "MESH_STATE_DIR", "/var/lib/mesh") +
                        "/" + std::string(program.name);
  if (instance) out.paths.state_dir += "/" + out.name;

  if (program.settings == nullptr) return out;
  if (out.settings_named) {
    out.settings_path = given.get("--config");
    return out;
  }
  const std::string usual = out.paths.config_dir + "/" +
                            (instance ? std::string(program.name) + "s/" : std::string()) +
                            out.name + ".yaml";
  if (access(usual.c_str(), F_OK) == 0) out.settings_path = usual;
  return out;
}

std::string help_text(const Program& program) {
  const std::string name(program.name);
  return name + " - " + std::string(program.summary) + "\n\nusage: " + name + " [OPTION]...\n\n" +
         cli::format_options(options_of(program)) + "\nExit status: 0 after SIGTERM; 64 wrong " +
         "command line; 78 wrong settings; 1 otherwise.\nManual: man " +
         std::string(program.man.substr(0, program.man.find('('))) + "\n";
}

}  // namespace mesh::daemon

#include "cmd/mesh/up/plan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>

#include "base/text.h"
#include "ca/tokens.h"
#include "config/reader.h"
#include "daemon/paths.h"
#include "mesh/settings_certd.pb.h"
#include "mesh/settings_forwarder.pb.h"

namespace mesh::cmd {
namespace {

constexpr std::array<const char*, 4> kDaemons{"certd", "configd", "statsd", "discoveryd"};
constexpr size_t kForwardersMax = 1024;
constexpr size_t kSocketPathMax = 100;  // a Unix socket's path, with libzmq's own needs

Result<std::string> real_path(const std::string& path) {
  char* const resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return errno_error(path);
  std::string out = resolved;
  free(resolved);
  return out;
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// Beside this program (a build folder), or in ../libexec/mesh (installed).
Result<std::string> find_programs() {
  MESH_TRY(const std::string self, real_path("/proc/self/exe"));
  const std::string beside = self.substr(0, self.rfind('/'));
  const std::string installed = beside + "/../libexec/mesh";
  for (const std::string& place : {beside, installed})
    if (exists(place + "/certd")) return place;
  return Error{Errc::NotFound,
               "the daemons' programs are neither in " + beside + " nor in " + installed};
}

std::string token_path(const Layout& layout, const std::string& name) {
  return layout.run_dir + "/tokens/" + name;
}

// Where certd looks for tokens.
Result<std::string> tokens_dir(const Layout& layout) {
  settings::v1::Certd settings;
  const std::string file = layout.dir + "/certd.yaml";
  if (exists(file)) MESH_TRY_VOID(config::read_settings(file, settings));
  if (!settings.tokens_dir().empty()) return settings.tokens_dir();
  return layout.state_dir + "/certd/tokens";
}

std::vector<std::string> common_options(const Layout& layout) {
  std::vector<std::string> options{"--run-dir",      layout.run_dir, "--state-dir",
                                   layout.state_dir, "--config-dir", layout.dir};
  // The directory is this user's: daemons that became others could not use it.
  if (geteuid() == 0) options.insert(options.end(), {"--user", "root"});
  if (layout.verbose) options.emplace_back("-v");
  return options;
}

daemon::Child::Spec spec(const Layout& layout, const std::string& name,
                         const std::string& program) {
  daemon::Child::Spec out;
  out.name = name;
  out.command = common_options(layout);
  out.command.insert(out.command.begin(), layout.programs + "/" + program);
  out.environment = {"NOTIFY_SOCKET=" + layout.notify_socket()};
  out.log_path = layout.log(name);
  return out;
}

Result<void> write_private(const std::string& path, const std::string& text) {
  unlink(path.c_str());
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return errno_error("open " + path);
  if (write(fd.get(), text.data(), text.size()) != ssize_t(text.size()))
    return errno_error("write " + path);
  return {};
}

Result<ForwarderFile> read_forwarder(const std::string& path, const std::string& name) {
  settings::v1::Forwarder settings;
  MESH_TRY_VOID(config::read_settings(path, settings));
  struct stat st {};
  if (stat(path.c_str(), &st) != 0) return errno_error(path);
  ForwarderFile file{name, path, settings.namespace_(), settings.service_account(), {}};
  if (file.ns.empty()) file.ns = "default";
  if (file.service_account.empty()) file.service_account = "default";
  file.stamp = std::to_string(st.st_ino) + "." + std::to_string(st.st_mtim.tv_sec) + "." +
               std::to_string(st.st_mtim.tv_nsec) + "." + std::to_string(st.st_size);
  return file;
}

}  // namespace

Result<Layout> make_layout(const std::string& dir) {
  Layout layout;
  MESH_TRY(layout.dir, real_path(dir));
  struct stat st {};
  if (stat(layout.dir.c_str(), &st) != 0 || !S_ISDIR(st.st_mode))
    return Error{Errc::Invalid, dir + " is not a directory"};
  MESH_TRY(layout.programs, find_programs());
  layout.run_dir = layout.dir + "/run";
  layout.state_dir = layout.dir + "/state";
  if (layout.run_dir.size() + std::string_view("/discoveryd.sock").size() > kSocketPathMax)
    return Error{Errc::Invalid, layout.run_dir + " is too long for Unix sockets below it (" +
                                    std::to_string(kSocketPathMax) + " bytes); move " + dir +
                                    " to a shorter path"};
  using daemon::make_dir;
  MESH_TRY_VOID(make_dir(layout.run_dir, 0750, "run directory"));
  MESH_TRY_VOID(make_dir(layout.run_dir + "/log", 0750, "log directory"));
  MESH_TRY_VOID(make_dir(layout.run_dir + "/hold", 0750, "hold directory"));
  MESH_TRY_VOID(make_dir(layout.run_dir + "/tokens", 0700, "token directory"));
  MESH_TRY_VOID(make_dir(layout.state_dir, 0750, "state directory"));
  MESH_TRY_VOID(make_dir(layout.dir + "/config", 0755, "configuration directory"));
  return layout;
}

std::vector<ForwarderFile> scan_forwarders(const Layout& layout,
                                           std::vector<std::string>& problems) {
  std::vector<ForwarderFile> found;
  DIR* const dir = opendir(layout.forwarders_dir().c_str());
  if (dir == nullptr) return found;  // a mesh without forwarders: control plane only
  while (const dirent* const entry = readdir(dir)) {
    const std::string file = entry->d_name;
    constexpr std::string_view kEnd = ".yaml";
    if (file.size() <= kEnd.size() || file[0] == '.' || !file.ends_with(kEnd)) continue;
    if (found.size() == kForwardersMax) {
      problems.push_back(layout.forwarders_dir() + ": more than " + std::to_string(kForwardersMax) +
                         " forwarders");
      break;
    }
    auto read = read_forwarder(layout.forwarders_dir() + "/" + file,
                               file.substr(0, file.size() - kEnd.size()));
    if (read) {
      found.push_back(*std::move(read));
      continue;
    }
    for (const std::string_view line : text::split(read.error().text, '\n'))
      if (!line.empty()) problems.emplace_back(line);
  }
  closedir(dir);
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return found;
}

std::vector<daemon::Child::Spec> daemon_specs(const Layout& layout) {
  std::vector<daemon::Child::Spec> out;
  for (const char* const name : kDaemons) out.push_back(spec(layout, name, name));
  return out;
}

daemon::Child::Spec forwarder_spec(const Layout& layout, const ForwarderFile& file) {
  daemon::Child::Spec out = spec(layout, file.name, "forwarder");
  out.command.insert(out.command.begin() + 1, {"-c", file.path});
  out.environment.push_back("MESH_TOKEN_FILE=" + token_path(layout, file.name));
  return out;
}

Result<void> give_token(const Layout& layout, const ForwarderFile& file) {
  const std::string doing = "token for " + file.name;
  MESH_TRY(const std::string dir, tokens_dir(layout));
  MESH_TRY_VOID(daemon::make_dir(layout.state_dir + "/certd", 0700, "state directory"));
  auto secret = ca::make_token(dir, file.name, file.ns, file.service_account);
  if (!secret) return std::move(secret).error().during(doing);
  auto written = write_private(token_path(layout, file.name), *secret + "\n");
  if (!written) return std::move(written).error().during(doing);
  return {};
}

void take_token(const Layout& layout, const ForwarderFile& file) {
  unlink(token_path(layout, file.name).c_str());
  if (const auto dir = tokens_dir(layout); dir) unlink((*dir + "/" + file.name).c_str());
}

}  // namespace mesh::cmd

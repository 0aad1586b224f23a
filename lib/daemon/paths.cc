#include "daemon/paths.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

namespace mesh::daemon {
namespace {

bool is_dir(const std::string& path) {
  struct stat st {};
  return stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

}  // namespace

std::string choose_dir(std::string_view option, const char* environment,
                       std::string_view otherwise) {
  if (!option.empty()) return std::string(option);
  const char* const value = getenv(environment);
  if (value != nullptr && *value != '\0') return value;
  return std::string(otherwise);
}

Result<void> make_dir(const std::string& dir, unsigned mode, std::string_view what) {
  const std::string doing = std::string(what) + " " + dir;
  if (is_dir(dir)) return {};
  // Parents are for everybody to pass, as /var/lib is; what is ours is below.
  for (size_t at = dir.find('/', 1); at != std::string::npos; at = dir.find('/', at + 1)) {
    const std::string parent = dir.substr(0, at);
    if (is_dir(parent)) continue;
    if (mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST)
      return errno_error("mkdir " + parent).during(doing);
    chmod(parent.c_str(), 0755);  // the umask is for what is ours
  }
  if (mkdir(dir.c_str(), mode) != 0) {
    if (errno == EEXIST && is_dir(dir)) return {};  // another made it meanwhile
    return errno_error("mkdir").during(doing);
  }
  if (chmod(dir.c_str(), mode) != 0) return errno_error("chmod").during(doing);
  return {};
}

}  // namespace mesh::daemon

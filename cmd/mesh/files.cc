#include "cmd/mesh/files.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/file.h"
#include "config/directory.h"
#include "config/yaml.h"

namespace mesh::cmd {
namespace {

constexpr size_t kBytesMax = config::Limits{}.bytes_max;

Result<std::string> read_stdin(size_t bytes_max) {
  std::string text;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read stdin");
    if (n == 0) return text;
    if (text.size() + size_t(n) > bytes_max)
      return Error{Errc::TooBig, "stdin is over " + std::to_string(bytes_max) + " bytes"};
    text.append(buffer, size_t(n));
  }
}

}  // namespace

Result<std::string> read_input(const std::string& path, size_t bytes_max) {
  return path == "-" ? read_stdin(bytes_max) : file::read(path, bytes_max);
}

Result<std::vector<InputFile>> read_inputs(std::span<const std::string> paths) {
  std::vector<InputFile> files;
  bool stdin_read = false;
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (path == "-") {
      if (stdin_read) return Error{Errc::Invalid, "- is given twice; stdin is read once"};
      stdin_read = true;
      MESH_TRY(std::string text, read_input(path, kBytesMax));
      files.push_back({"stdin", std::move(text)});
    } else if (std::filesystem::is_directory(path, ignored)) {
      MESH_TRY(auto reading, config::read_directory(path, false));
      if (reading.texts.empty())
        return Error{Errc::Invalid, path + ": no .yaml, .yml or .json file in it"};
      for (const auto& [name, text] : reading.texts)
        files.push_back({path + (path.ends_with('/') ? "" : "/") + name, *text});
    } else {
      MESH_TRY(std::string text, file::read(path, kBytesMax));
      files.push_back({path, std::move(text)});
    }
  }
  return files;
}

}  // namespace mesh::cmd

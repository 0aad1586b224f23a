#include "config/reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/unique_fd.h"
#include "config/filler.h"

namespace mesh::config {

void fill(const Node& node, Position at, std::string path, google::protobuf::Message& out,
          Problems& problems, Positions* positions) {
  Filler(std::move(path), problems, positions).message(node, at, out);
}

Result<void> read_text(std::string_view text, const std::string& file,
                       google::protobuf::Message& out) {
  Problems problems(file);
  const std::vector<Node> documents = parse_yaml(text, problems);
  if (documents.size() > 1) problems.add(documents[1].at, "", "a second document; expected one");
  if (!problems.empty()) return problems.error();
  if (documents.empty()) {
    out.Clear();
    return {};
  }
  const std::unique_ptr<google::protobuf::Message> read(out.New());
  fill(documents[0], documents[0].at, "", *read, problems);
  if (!problems.empty()) return problems.error();
  out.CopyFrom(*read);
  return {};
}

Result<void> read_settings(const std::string& path, google::protobuf::Message& out) {
  MESH_TRY(const std::string text, read_file(path));
  return read_text(text, path, out);
}

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    const bool missing = errno == ENOENT;
    Error error = errno_error("open " + path);
    if (missing) error.kind = Errc::NotFound;
    return error;
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return errno_error("stat " + path);
  if (S_ISDIR(status.st_mode)) return Error{Errc::Invalid, path + ": a directory, expected a file"};
  std::string text;
  char buffer[64 * 1024];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + path);
    if (n == 0) return text;
    if (text.size() + size_t(n) > bytes_max)
      return Error{Errc::TooBig, path + ": larger than " + std::to_string(bytes_max) + " bytes"};
    text.append(buffer, size_t(n));
  }
}

}  // namespace mesh::config

#include "config/reader.h"

#include <memory>

#include "base/file.h"
#include "config/filler.h"

namespace mesh::config {

void fill(const Node& node, Position at, std::string path, google::protobuf::Message& out,
          Problems& problems, Places* places) {
  Filler(std::move(path), problems, places).message(node, at, out);
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
  MESH_TRY(const std::string text, file::read(path, Limits{}.bytes_max));
  return read_text(text, path, out);
}

}  // namespace mesh::config

#include "cmd/mesh/files.h"

#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "base/utf8.h"
#include "config/directory.h"
#include "config/yaml.h"

namespace mesh::cmd {

Result<std::vector<InputFile>> read_inputs(std::span<const std::string> paths) {
  constexpr size_t kBytesMax = config::Limits{}.bytes_max;
  std::vector<InputFile> files;
  bool stdin_read = false;
  for (const std::string& path : paths) {
    if (path == "-" && std::exchange(stdin_read, true))
      return Error{Errc::Invalid, "- is given twice; stdin is read once"};
    std::error_code ignored;
    if (path == "-" || !std::filesystem::is_directory(path, ignored)) {
      MESH_TRY(std::string text, file::read_input(path, kBytesMax));
      files.push_back({path == "-" ? "stdin" : path, std::move(text)});
      continue;
    }
    MESH_TRY(auto reading, config::read_directory(path, false));
    if (reading.texts.empty())
      return Error{Errc::Invalid, path + ": no .yaml, .yml or .json file in it"};
    for (const auto& [name, text] : reading.texts)
      files.push_back({path + (path.ends_with('/') ? "" : "/") + name, *text});
  }
  return files;
}

Result<void> add_files(const std::vector<InputFile>& files,
                       google::protobuf::RepeatedPtrField<configd::v1::File>& to) {
  std::vector<std::string> wrong;
  for (const InputFile& file : files) {
    if (utf8::valid(file.name) && utf8::valid(file.text)) {
      auto& added = *to.Add();
      added.set_name(file.name);
      added.set_text(file.text);
      continue;
    }
    config::Reading reading;
    config::read_into(reading, file.name, file.text);
    wrong.insert(wrong.end(), reading.errors.begin(), reading.errors.end());
  }
  if (!wrong.empty()) return Error{Errc::Invalid, text::join(wrong, "\n")};
  return {};
}

}  // namespace mesh::cmd

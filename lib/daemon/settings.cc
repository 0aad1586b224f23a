#include "daemon/settings.h"

#include <google/protobuf/message.h>

namespace mesh::daemon {

Result<Settings> load_settings(const Program& program, const std::string& path) {
  Settings settings{path, std::unique_ptr<google::protobuf::Message>(program.settings->New())};
  if (!path.empty()) {
    auto read = program.read ? program.read(path, *settings.message, settings.places)
                             : config::read_settings(path, *settings.message, &settings.places);
    if (!read) return std::move(read).error();
  }
  if (!program.check) return settings;
  auto checked = program.check(*settings.message);
  if (checked) return settings;
  Error error = settings.at_place(std::move(checked).error());
  // What is not there has no place but the file.
  return error.text.starts_with(path) ? std::move(error) : std::move(error).during(path);
}

}  // namespace mesh::daemon

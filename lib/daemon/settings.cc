#include "daemon/settings.h"

#include <google/protobuf/message.h>

#include "config/reader.h"

namespace mesh::daemon {

Result<std::unique_ptr<google::protobuf::Message>> load_settings(const Program& program,
                                                                 const std::string& path) {
  std::unique_ptr<google::protobuf::Message> settings(program.settings->New());
  if (!path.empty()) {
    auto read =
        program.read ? program.read(path, *settings) : config::read_settings(path, *settings);
    if (!read) return std::move(read).error();
  }
  if (program.check) {
    if (auto checked = program.check(*settings); !checked) {
      Error error = std::move(checked).error();
      return path.empty() ? std::move(error) : std::move(error).during(path);
    }
  }
  return settings;
}

}  // namespace mesh::daemon

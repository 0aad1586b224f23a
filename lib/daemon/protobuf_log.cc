#include "daemon/protobuf_log.h"

#include <google/protobuf/stubs/logging.h>

#include "base/log.h"

namespace mesh::daemon {
namespace {

// What is fatal ends the process after this.
void write(google::protobuf::LogLevel level, const char* file, int line,
           const std::string& message) {
  if (level == google::protobuf::LOGLEVEL_FATAL)
    log::error("protobuf: " + message, {{"file", file}, {"line", line}});
  else
    MESH_DEBUG("protobuf: " + message, {{"file", file}, {"line", line}});
}

}  // namespace

void take_protobuf_log() { google::protobuf::SetLogHandler(write); }

}  // namespace mesh::daemon

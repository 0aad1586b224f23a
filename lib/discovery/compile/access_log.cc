#include "discovery/compile/access_log.h"

#include "discovery/compile/build.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"

namespace mesh::discovery {

void add_access_log(const Model&, const Node& node, Direction, AccessLogs& logs) {
  if (node.access_log.empty()) return;
  envoy::extensions::access_loggers::file::v3::FileAccessLog file;
  file.set_path(node.access_log);
  auto& log = *logs.Add();
  log.set_name("envoy.access_loggers.file");
  pack(file, *log.mutable_typed_config());
}

}  // namespace mesh::discovery

// Settings: a daemon's settings file, as one message, read and checked.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "daemon/program.h"

namespace mesh::daemon {

// A new message of the program's type, filled from `path` (the defaults where
// `path` is empty) and checked. An error is one line a fault, each beginning
// with the place: "certd.yaml:3:1: unknown key ...".
Result<std::unique_ptr<google::protobuf::Message>> load_settings(const Program& program,
                                                                 const std::string& path);

}  // namespace mesh::daemon

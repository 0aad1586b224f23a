// Settings: a daemon's settings file, as one message, read and checked.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "config/reader.h"
#include "daemon/program.h"

namespace mesh::daemon {

struct Settings {
  std::string path;  // empty: there is no file, all is by default
  std::unique_ptr<google::protobuf::Message> message;
  config::Places places = {};

  // What is found wrong with them later, told by where it stands.
  Error at_place(Error error) const { return config::at_place(std::move(error), path, places); }
};

// A new message of the program's type, filled from `path` (the defaults where
// `path` is empty) and checked. An error is one line a fault, each beginning
// with the place: "certd.yaml:3:1: unknown key ...".
Result<Settings> load_settings(const Program& program, const std::string& path);

}  // namespace mesh::daemon

// Program: what is particular about a daemon, as data, and the one function
// that runs it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/options.h"
#include "config/reader.h"
#include "daemon/runtime.h"

namespace mesh::daemon {

struct Program {
  std::string_view name = {};     // "certd": socket, lock, state directory and settings file
  std::string_view summary = {};  // one line for --help
  std::string_view user = {};     // whom it becomes when started as root: "_mesh-certd"
  std::string_view man = {};      // "certd(8)"

  // The default instance of the settings message; null: no settings file.
  const google::protobuf::Message* settings = nullptr;

  // Serves the bus under RUN_DIR/NAME.sock.
  bool bus = true;

  // More than one may run on a host, told apart by --name (default: the stem
  // of the settings file). Lock and state are then NAME/INSTANCE's.
  bool instances = false;

  // Options beside those that all daemons have.
  std::vector<cli::Option> options = {};

  // Reads the settings file `path` into `settings`, and where its fields stand
  // into `places`; default: lib/config's reader. For a program that also takes
  // a foreign format.
  std::function<Result<void>(const std::string& path, google::protobuf::Message& settings,
                             config::Places& places)>
      read = {};

  // What the shape alone does not say (a range, a combination). Runs for -n, at
  // start and at each reload. Its errors begin with the path of a field by its
  // declared names, as those of start() and reload() may: "dns.listen: ...".
  // The file, its line and column are put before it.
  std::function<Result<void>(const google::protobuf::Message& settings)> check = {};

  // Asked when the settings are read. True: it keeps nothing and answers nobody,
  // so it gets no directories, no lock and no bus, and runs anywhere. Optional.
  std::function<bool()> stateless = {};

  // With the privileges the process was started with, before it gives them up
  // and before there is any other thread: opens what needs them. Optional.
  std::function<Result<void>(Runtime&)> open = {};

  // Builds the daemon and keep()s its services. The process has its final user;
  // the bus server is there and serves from the first turn of the loop.
  std::function<Result<void>(Runtime&)> start = {};
};

// Runs the program and returns its exit status. The order is the same for all:
// options; settings (-n stops here and says OK); log; directories; open(); the
// user changed where started as root; the lock that keeps a second instance
// out; the bus; start(); READY=1; the loop. SIGHUP reads the settings anew and
// keeps the old ones where the new are wrong. SIGTERM and SIGINT drain, with a
// limit; a second one ends the process at once.
int run(const Program& program, int argc, char** argv);

}  // namespace mesh::daemon

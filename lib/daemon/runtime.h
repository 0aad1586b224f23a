// Runtime: what the skeleton lends to a daemon's own code. One thread.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "cli/options.h"
#include "daemon/paths.h"
#include "daemon/service.h"
#include "event/loop.h"

namespace mesh::bus {
class Server;
}

namespace mesh::daemon {

class Runtime {
 public:
  virtual ~Runtime() = default;

  virtual event::Loop& loop() = 0;
  virtual const Clock& clock() = 0;
  virtual const Paths& paths() = 0;

  // The daemon's name, or the instance's where a program runs more than once
  // on a host ("reviews").
  virtual const std::string& name() = 0;

  // What the command line said, the program's own options included.
  virtual const cli::Arguments& arguments() = 0;

  // The settings as read, of the type of Program::settings. Lives until a
  // reload replaces it.
  virtual const google::protobuf::Message& settings() = 0;
  template <class Settings>
  const Settings& settings_as() {
    return static_cast<const Settings&>(settings());
  }

  // The daemon's own bus server, serving RUN_DIR/NAME.sock; null where
  // Program::bus is false.
  virtual bus::Server* server() = 0;

  // Keeps `service` until the end. Services are drained together and destroyed
  // in the reverse order, before the bus server and the loop.
  virtual void keep(std::unique_ptr<Service> service) = 0;

  // By default systemd hears READY=1 as soon as start() returned. A daemon
  // that is of use only later calls hold_ready() in start() and ready() then.
  virtual void hold_ready() = 0;
  virtual void ready() = 0;

  // One line for `systemctl status`.
  virtual void status(const std::string& text) = 0;

  // How long drain() may take. Default 10 s.
  virtual void set_drain_limit(Duration limit) = 0;

  // Ends the daemon as SIGTERM does; `why` is logged.
  virtual void stop(const std::string& why) = 0;
};

}  // namespace mesh::daemon

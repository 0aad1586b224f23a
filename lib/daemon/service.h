// Service: what a daemon keeps alive between start and stop.
#pragma once

#include <functional>

#include "base/result.h"

namespace google::protobuf {
class Message;
}

namespace mesh::daemon {

// Called on the main loop's thread only.
class Service {
 public:
  virtual ~Service() = default;

  // SIGHUP: the settings file was read anew and is well-formed and checked.
  // Takes over what can change while running. An error means that nothing
  // changed: it is logged and the settings before stay. `settings` lives until
  // the next reload.
  virtual Result<void> reload(const google::protobuf::Message& settings) {
    static_cast<void>(settings);
    return {};
  }

  // SIGTERM: finish what was begun, take nothing new, then call `done` once.
  // It may be called at once, or from any later turn of the loop; after the
  // daemon's drain limit the process ends without it.
  virtual void drain(std::function<void()> done) { done(); }
};

}  // namespace mesh::daemon

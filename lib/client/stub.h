// Stub: the base of the typed clients, one a daemon (NAME_client.h).
//
// A NAME_client takes and returns the project's own values: its callers see
// neither protobuf nor the bus's types.
#pragma once

#include <functional>
#include <utility>

#include "bus/client.h"

namespace mesh::client {

class Stub {
 public:
  Stub(const Stub&) = delete;
  Stub& operator=(const Stub&) = delete;

 protected:
  explicit Stub(bus::Client& client) : client_(client) {}  // outlives us
  ~Stub() { client_.cancel(this); }                        // no `done` runs after us

  template <class Rep, class Req>
  void call(const Req& request, Duration deadline, std::function<void(Result<Rep>)> done) {
    client_.call<Rep>(request, deadline, std::move(done), this);
  }

  bus::Client& client() { return client_; }

 private:
  bus::Client& client_;
};

}  // namespace mesh::client

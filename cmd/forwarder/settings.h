// Settings: the forwarder's settings file, checked, as plain values.
#pragma once

#include <string>

#include "base/clock.h"
#include "bus/watch.h"
#include "forward/local.h"
#include "mesh/settings_forwarder.pb.h"
#include "resilience/overload.h"

namespace mesh::forwarder {

// Which resources it has.
struct Subscription {
  bool on_demand = true;
  Duration wait = std::chrono::seconds(2);
  size_t pending_max = 1000;
  size_t hosts_max = 10'000;
  Duration forget = std::chrono::hours(24);
};

struct Settings {
  forward::Local local;
  bus::Node node;
  std::string admin;  // empty: none
  std::string token_file;
  std::string service_account;  // empty: whatever certd says
  Duration drain;
  Duration report_interval;
  resilience::OverloadPolicy overload;
  Subscription subscription;
};

// Errc::Invalid begins with the key. `name` is the instance's by default.
Result<Settings> settings_of(const settings::v1::Forwarder& message, const std::string& name);

}  // namespace mesh::forwarder

// Settings: the forwarder's settings file, checked, as plain values.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "bus/watch.h"
#include "cli/options.h"
#include "forward/local.h"
#include "mesh/settings_forwarder.pb.h"
#include "resilience/overload.h"

namespace mesh::forwarder {

// Which hosts are asked for, and for how long they are kept.
struct OnDemand {
  Duration wait = std::chrono::seconds(5);  // Envoy, OnDemandCds.timeout
  size_t waiting_max = 1000;
  Duration forget = std::chrono::hours(24);
  size_t hosts_max = 1000;
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
  std::optional<OnDemand> on_demand;  // nothing: it gets all that it may see
};

// Errc::Invalid begins with the path of the field. `name` is the instance's by default.
Result<Settings> settings_of(const settings::v1::Forwarder& message, const std::string& name);
// The same where options of the command line (--concurrency, --drain-time-s) stand above it.
// Credentials are below `config_dir` by default.
Result<Settings> settings_of(const settings::v1::Forwarder& message, const std::string& name,
                             const cli::Arguments& given, const std::string& config_dir);
// The value of such an option, at most `most`.
Result<uint64_t> number_of(const cli::Arguments& given, std::string_view option, uint64_t otherwise,
                           uint64_t most);

// Whether one can become the other while the forwarder runs; Errc::Invalid names the first key
// that cannot: who it is, and what is made once at start.
Result<void> check_change(const settings::v1::Forwarder& before,
                          const settings::v1::Forwarder& after);

}  // namespace mesh::forwarder

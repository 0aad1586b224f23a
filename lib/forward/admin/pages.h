// The pages of the admin server, one function each; what they show is what the
// forwarder knows now. Envoy's paths, parameters and formats. Main thread.
#pragma once

#include "base/log.h"
#include "forward/admin/page.h"
#include "forward/forwarder.h"

namespace mesh::forward::admin {

// What /config_dump shows is what was received, so that whoever receives it
// answers for it.
struct DumpQuery {
  std::string resource;  // "static_listeners", ...; empty: everything
  NameFilter name;
  bool endpoints = false;  // include_eds
};

// One line of /stats, by Envoy's name: "control_plane.connected_state". A text has no value,
// and no place among Prometheus' metrics.
struct Number {
  std::string name;
  uint64_t value = 0;
  bool gauge = false;
  std::optional<std::string> text = {};
};

// What only the process around the forwarder knows, and does.
struct Host {
  std::string version;
  std::function<std::pair<std::string, std::string>()> node;  // id, cluster
  std::string config_path;
  Duration drain{0};
  // Ends the process as SIGTERM does.
  std::function<void()> quit;
  // Tells the mesh that we are ill, or well again. May be empty.
  std::function<void(bool ill)> on_health;
  // JSON. Errc::NotFound: no such resource. May be empty.
  std::function<Result<std::string>(const DumpQuery&)> config_dump;
  // What else is counted. May be empty.
  std::function<std::vector<Number>()> numbers = {};
};

// What administration has decided so far.
struct State {
  Instant started{};
  bool ill = false;       // /healthcheck/fail
  bool draining = false;  // /drain_listeners of all
};

std::string_view state_name(const Forwarder& forwarder, const State& state);

Page ready(const Forwarder& forwarder, const State& state);
Page stats(const Forwarder& forwarder, const State& state, const Host& host, const Query& query);
// ?format=prometheus, and a path of its own.
Page stats_prometheus(const Forwarder& forwarder, const State& state, const Host& host,
                      const Query& query);
Page breakers(const Forwarder& forwarder);
Page clusters(const Forwarder& forwarder, const Query& query);
// Envoy's flags, in its order, all that hold; "healthy" where none does.
std::string health_flags(const upstream::EndpointSpec& endpoint, const xds::Endpoint& said);
Page listeners(const Forwarder& forwarder, const Query& query);
Page certs(const Forwarder& forwarder);
Page server_info(const Forwarder& forwarder, const State& state, const Host& host);
Page memory();
Page runtime();
Page logging(const Query& query);
// By Envoy's names, and notice.
std::optional<log::Level> log_level(std::string_view name);
Page config_dump(const Host& host, const Query& query);

}  // namespace mesh::forward::admin

// discoveryd's settings as values.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "discovery/model.h"
#include "discovery/registry.h"
#include "mesh/settings_discoveryd.pb.h"

namespace mesh::discoveryd {

// Where names are answered, and which addresses hosts without one get.
struct Dns {
  std::string listen = "127.0.0.1:15053";
  std::string addresses = "240.240.0.0/16";
  Duration ttl = std::chrono::seconds(5);
  bool operator==(const Dns&) const = default;
};

struct Jwks {
  Duration refresh = std::chrono::minutes(20);
  std::string ca_file;  // empty: the system's
};

// Where xDS clients that are no forwarders come in.
struct Xds {
  std::string socket;  // empty: xds.sock in the run directory
  std::string listen;  // under mutual TLS; empty: nowhere
  std::string token_file;
};

struct Settings {
  discovery::Model::Options model;
  discovery::Registry::Limits registry;
  std::optional<Dns> dns;
  Jwks jwks;
  std::optional<Xds> xds;
  std::optional<settings::v1::Etcd> etcd;
  std::string host;  // our name among the hosts
  std::chrono::seconds host_lease{10};
};

// Errc::Invalid begins with the key.
Result<Settings> settings_of(const settings::v1::Discoveryd& message);

}  // namespace mesh::discoveryd

// DynamicSource: which server of the discovery protocol a bootstrap's dynamic_resources name, or
// a secret's source, and what it is asked for. A value.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace mesh::xds {

struct DynamicSource {
  bool incremental = false;  // DELTA_GRPC
  std::string cluster;       // of static_resources: HTTP/2, and not by EDS
  std::string authority;     // empty: the cluster's name (Envoy)
  std::vector<std::pair<std::string, std::string>> metadata;  // initial_metadata
  uint32_t message_bytes_max = 32U << 20;                     // max_receive_message_length
  bool node_on_first_message_only = false;
  bool clusters = false;   // cds_config is set
  bool listeners = false;  // lds_config is set
  // initial_fetch_timeout: after so long the rest goes on without; 0: never.
  Duration clusters_timeout = std::chrono::seconds(15);
  Duration listeners_timeout = std::chrono::seconds(15);
  bool operator==(const DynamicSource&) const = default;
};

}  // namespace mesh::xds

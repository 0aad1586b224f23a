// Workload: one instance that may be an endpoint, wherever it was declared.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "discovery/shared_map.h"

namespace mesh::discovery {

using Labels = std::map<std::string, std::string>;

struct Workload {
  // Who declared it.
  enum class Source : uint8_t {
    Config,      // a WorkloadEntry
    Inline,      // an endpoint inside of a ServiceEntry
    Registered,  // mesh register, with a lease or for good
    Forwarder,   // its own forwarder, for as long as that watches
  };
  // Whether it is an endpoint now.
  enum class State : uint8_t {
    Present,
    Draining,  // its forwarder said that it ends
    Absent,    // its forwarder was there and is gone
  };

  std::string ns;
  std::string name;  // empty for Inline
  std::string address;
  SharedMap<std::string, uint32_t> ports;  // by the name of the service's port
  SharedMap<std::string, std::string> labels;
  std::string locality;
  uint32_t weight = 1;
  std::string service_account;  // empty: not of the mesh, speaks clear text
  Source source = Source::Config;
  State state = State::Present;
  std::string host = {};     // another host's, told through etcd; empty: of this one
  std::string group = {};    // the WorkloadGroup it was made of; empty: none
  std::string illness = {};  // why it is found ill; empty: it is not
  bool unconfirmed = false;  // its lease has lapsed, and it has not left yet

  bool operator==(const Workload&) const = default;
};

// "HEALTHY", "UNHEALTHY", "DRAINING", "ABSENT".
std::string_view health_of(const Workload& workload);
std::string_view to_string(Workload::Source source);
std::string_view to_string(Workload::State state);

// Whether `labels` has all of `selector`.
template <class Selector>
bool selects(const Selector& selector, const Labels& labels) {
  for (const auto& [key, value] : selector) {
    const auto found = labels.find(key);
    if (found == labels.end() || found->second != value) return false;
  }
  return true;
}

}  // namespace mesh::discovery

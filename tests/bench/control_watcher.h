// Forwarders that watch by the real protocol and decode nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/control_host.h"
#include "bus/client.h"
#include "event/loop.h"
#include "xds/decode.h"
#include "xds/node.h"

namespace mesh::bench {

inline constexpr size_t kTypes = 4;
inline constexpr const char* kHostType = "type.googleapis.com/mesh.discoveryd.v1.Host";

inline uint64_t hash(std::string_view text) { return std::hash<std::string_view>()(text) | 1; }

// What the processes share: one a watcher.
struct Slot {
  std::atomic<uint64_t> generation;  // of all four types, hashed; 0: not agreed
  std::atomic<int64_t> agreed_at;    // since when
  std::atomic<int64_t> needle_at;    // when an assignment with the needle came
  std::atomic<uint64_t> resources;   // received in all
  std::atomic<uint64_t> bytes;       // of bodies
};
struct Shared {
  char needle[64];  // changed only while nothing is on its way
};

struct Stage {
  Shared* shared;
  Slot* slots;
};

class Watcher {
 public:
  Watcher(event::Loop& loop, const std::string& socket, const Options& options, size_t index,
          const Stage& stage)
      : client_(loop, socket), slot_(stage.slots[index]), shared_(*stage.shared) {
    const std::string service = "svc-" + std::to_string(index % options.services);
    bus::Node node{.id = "watcher-" + std::to_string(index) + "@bench",
                   .workload = service + "-" + std::to_string(index / options.services),
                   .workload_namespace = "default",
                   .labels = {{"app", service}},
                   .metadata = {{std::string(xds::node::kOutbound), "127.0.0.1:15001"},
                                {std::string(xds::node::kServiceAccount), service}}};
    for (size_t i = 0; i < kTypes; ++i) sinks_[i].owner = this, sinks_[i].type = i;
    if (options.hosts > 0) {
      node.metadata[std::string(xds::node::kOnDemand)] = "true";
      std::vector<std::string> names{"svc-0"};
      for (size_t i = 1; i < options.hosts; ++i)
        names.push_back("svc-" + std::to_string((index * 7 + i * 13) % options.services));
      watches_.push_back(client_.watch(kHostType, node, hosts_, names));
    }
    size_t i = 0;
    for (const auto type :
         {xds::kClusterType, xds::kEndpointType, xds::kListenerType, xds::kRouteType})
      watches_.push_back(client_.watch(std::string(type), node, sinks_[i++]));
  }

 private:
  struct Hosts final : bus::Sink {
    Result<void> on_update(const bus::Update&, std::vector<bus::Rejection>&) override { return {}; }
  };
  struct Sink final : bus::Sink {
    Result<void> on_update(const bus::Update& update, std::vector<bus::Rejection>&) override {
      owner->take(type, update);
      return {};
    }
    Watcher* owner = nullptr;
    size_t type = 0;
  };

  void take(size_t type, const bus::Update& update) {
    for (const auto& resource : update.changed) {
      slot_.bytes += resource.body.size();
      if (type == 1 && resource.body.find(shared_.needle) != std::string_view::npos)
        slot_.needle_at = now_ns();
    }
    slot_.resources += update.changed.size();
    if (update.generation.empty()) return;
    generations_[type] = update.generation;
    for (const auto& generation : generations_)
      if (generation != generations_[0]) return;
    const uint64_t agreed = hash(generations_[0]);
    if (slot_.generation.exchange(agreed) != agreed) slot_.agreed_at = now_ns();
  }

  bus::Client client_;
  Slot& slot_;
  const Shared& shared_;
  Sink sinks_[kTypes];
  Hosts hosts_;
  std::string generations_[kTypes];
  std::vector<std::unique_ptr<bus::Watch>> watches_;
};

}  // namespace mesh::bench

// DiscoveryWatch: keeps a forwarder on what discoveryd says.
//
// Four watches, one a type. A configuration is taken into use when the markers
// of all four agree, so that no request meets a route whose cluster has not come
// yet; endpoints alone at once. A marker that does not come is not waited for
// longer than kMarkerWait. What is in force is told to discoveryd, and kept in a
// file to start from while it is away. On demand a fifth watch says which hosts are needed.
// Main thread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "bus/client.h"
#include "cmd/forwarder/host_watch.h"
#include "cmd/forwarder/resources.h"
#include "event/timer.h"
#include "forward/forwarder.h"
#include "xds/dump.h"

namespace mesh::forwarder {

class DiscoveryWatch {
 public:
  static constexpr Duration kMarkerWait = std::chrono::seconds(1);

  // All outlive us. `file`: where the last good resources are kept.
  DiscoveryWatch(event::Loop& loop, bus::Client& client, forward::Forwarder& forwarder,
                 std::string file, const std::optional<OnDemand>& on_demand);
  ~DiscoveryWatch();

  // Takes the last good resources into use, where there are any, and watches as
  // `node`. Before the first turn of the loop.
  void start(const bus::Node& node);
  // Watches anew under other metadata: "this instance is draining".
  void restart(const bus::Node& node);

  // What is held now, and when that was last taken into use. Views into it.
  std::vector<xds::DumpResource> resources() const;
  WallTime updated() const { return updated_; }
  const Resources::Entries& held(Type type) const { return resources_.entries(type); }

  // On demand: a request names this host; Forwarder::answer_host() follows.
  void need(const std::string& host);

  // All workers use `generation`.
  void on_in_force(const std::string& generation);

 private:
  class TypeSink;

  // discoveryd refuses us, or what it sends says that it does so no more. Said once.
  void refused(const std::string& why);
  void watch(const bus::Node& node);
  void on_host(const std::string& host, forward::HostAnswer answer);
  void look_at_use();
  Result<void> take(Type type, const bus::Resource& resource);
  void on_update(Type type, std::string_view generation);
  bool agreed() const;
  void apply();
  void save();

  event::Loop& loop_;
  forward::Forwarder& forwarder_;
  bus::Client& client_;
  const std::string file_;
  Resources resources_;
  std::array<std::string, kTypes> markers_;
  std::array<std::unique_ptr<TypeSink>, kTypes> sinks_;
  std::array<std::unique_ptr<bus::Watch>, kTypes> watches_;
  std::unique_ptr<HostWatch> hosts_;  // null: all that there are come unasked
  Duration use_every_{};
  event::Timer use_timer_;
  event::Timer apply_timer_;
  event::Timer marker_timer_;
  event::Timer save_timer_;
  bool save_failed_ = false;  // said once, tried again
  std::string refused_;       // by discoveryd, and why; empty: it does not
  std::string generation_;    // of what was last applied
  WallTime updated_{};
};

}  // namespace mesh::forwarder

// HostWatch: which hosts this forwarder asked for, where it subscribes on demand: those that
// its own requests named, and did not cease to for long.
//
// discoveryd is told by a watch of mesh.discoveryd.v1.Host. It answers each name once the
// resources that belong to it are acknowledged, or says that nobody has it; the latter is
// asked for no longer, so that names that clients make up leave nothing behind. Main thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "bus/client.h"
#include "cmd/forwarder/settings.h"
#include "event/loop.h"
#include "forward/demand.h"

namespace mesh::forwarder {

class HostWatch final : private bus::Sink {
 public:
  static constexpr size_t kPendingMax = 1000;  // asked for, and not answered
  static constexpr double kAsksASecond = 1000;
  // So long after discoveryd was there last, nobody is kept waiting for it.
  static constexpr Duration kAwayGrace = std::chrono::seconds(2);

  struct Owner {
    std::function<void(const std::string& host, forward::HostAnswer answer)> answer;
    std::function<void()> changed;  // other hosts are kept
  };

  // Loop and client outlive us.
  HostWatch(event::Loop& loop, bus::Client& client, OnDemand settings, Owner owner);

  // What an earlier life asked for; before open().
  void restore(const std::vector<std::string>& hosts);
  // Those that somebody has.
  std::vector<std::string> hosts() const;
  size_t found() const { return found_; }

  // Asks as `node`. Before the watches of resources are opened: what they get depends on it.
  void open(const bus::Node& node);
  void close() { watch_.reset(); }

  // A request names the host. Answered at once or later.
  void need(const std::string& host);
  // So many requests and connections went to each service since the start, and `answered`
  // are those whose requests were answered without an endpoint of late: what neither
  // happened to for long is given up.
  void note_used(const std::map<std::string, uint64_t>& by_service,
                 const std::set<std::string>& answered);

 private:
  struct Host {
    Instant used{};
    bool answered = false;
    std::vector<std::string> services{};  // answered, and empty: nobody has it any more
  };

  Result<void> on_update(const bus::Update& update, std::vector<bus::Rejection>& rejected) override;
  void on_link(bool up) override;
  bool may_ask();
  bool away() const;
  void on_nobody(const std::string& name);
  void make_room();
  void forget(const std::string& name);
  void count();

  event::Loop& loop_;
  bus::Client& client_;
  const OnDemand settings_;
  const Owner owner_;
  std::unique_ptr<bus::Watch> watch_;
  std::map<std::string, Host, std::less<>> hosts_;
  size_t pending_ = 0;
  size_t found_ = 0;
  double asks_left_ = kAsksASecond;  // a bucket, as of asks_at_
  Instant asks_at_{};
  Instant away_since_;
  std::map<std::string, uint64_t> by_service_;  // as of the last note_used()
};

}  // namespace mesh::forwarder

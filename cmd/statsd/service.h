// Service: joins the bus, the store, its state file and the page.
#pragma once

#include <memory>
#include <string>

#include "bus/server.h"
#include "cmd/statsd/page_server.h"
#include "cmd/statsd/spans.h"
#include "daemon/runtime.h"
#include "event/timer.h"
#include "mesh/settings_statsd.pb.h"
#include "mesh/statsd.pb.h"
#include "stats/pairs.h"
#include "stats/store.h"

namespace mesh::statsd {

// What the settings' shape alone does not say.
Result<void> check(const settings::v1::Statsd& settings);

class Service final : public daemon::Service {
 public:
  explicit Service(daemon::Runtime& runtime);  // outlives us
  ~Service() override;

  // Reads the state file and opens the page. Errc::Unavailable: its port is
  // taken. A state file that cannot be read is set aside, and said so.
  Result<void> start();

  Result<void> reload(const google::protobuf::Message& settings) override;
  void drain(std::function<void()> done) override;

 private:
  void take(const v1::Report& report, const bus::Peer& peer);
  Result<v1::TotalsReply> totals(const v1::TotalsRequest& request, const bus::Peer& peer);
  Result<void> listen(const settings::v1::Statsd& settings);
  void on_second();
  void load();
  void save();
  std::string page() const;
  std::string state_file() const { return runtime_.paths().state_dir + "/totals"; }

  daemon::Runtime& runtime_;
  stats::Store store_;
  stats::Window window_;
  std::string prometheus_;  // as in the settings
  std::unique_ptr<PageServer> page_server_;
  Spans spans_;
  event::Timer second_;
  event::Timer save_;
  Duration save_interval_;
  bool changed_ = false;      // since the last save
  bool save_failed_ = false;  // said so already
  uint64_t refused_ = 0;      // reports
  uint64_t past_ = 0;         // reports of the past
};

}  // namespace mesh::statsd

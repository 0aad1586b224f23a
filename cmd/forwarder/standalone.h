// Standalone: a forwarder on an Envoy bootstrap: static resources, and those of the servers
// that it names. No bus, no state, no other daemon.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cmd/forwarder/span_exporters.h"
#include "cmd/forwarder/takeover.h"
#include "daemon/runtime.h"
#include "event/signal.h"
#include "forward/admin.h"
#include "forward/forwarder.h"
#include "xds/decode.h"

namespace mesh::forwarder {

// Whether a file is a bootstrap rather than settings: it has static_resources or
// another key of Envoy's at its top. Errors of reading it are left to its reader.
bool is_bootstrap(const std::string& path);

class AdsSource;

class Standalone final : public daemon::Service {
 public:
  struct Options {
    uint32_t workers = 1;
    // As its spans name it.
    std::string node_id = {};
    std::string zone = {};
    Duration drain = std::chrono::seconds(10);
    // Where listeners are handed over; empty: nowhere.
    std::string takeover = {};
    bool must_take_over = false;
    // Of requests that are left once a successor serves; zero: as drain.
    Duration parent_shutdown{0};
  };
  Standalone(daemon::Runtime& runtime, std::string file, const Options& options);
  ~Standalone() override;

  // `inherited`: listening sockets that a service manager gave us.
  Result<void> start(xds::Bootstrap bootstrap, std::vector<net::Inherited> inherited);

  // SIGHUP: the file is read again. What is wrong leaves everything as it is; so does another
  // server, or another node, which need a restart.
  Result<void> reload(const google::protobuf::Message& settings) override;
  void drain(std::function<void()> done) override;

 private:
  forward::admin::Host admin_host();
  Result<void> use(xds::Bootstrap bootstrap);
  Result<void> begin_dynamic();
  Result<void> apply(std::shared_ptr<const xds::Config> config);
  void on_in_force(const std::string& generation);

  daemon::Runtime& runtime_;
  const std::string file_;
  const Options options_;
  xds::Bootstrap bootstrap_;  // in use; without its values
  WallTime updated_{};
  forward::Forwarder forwarder_;
  SpanExporters spans_;
  std::unique_ptr<AdsSource> ads_;  // where a server is asked
  forward::Admin admin_;
  event::Signal reopen_;  // SIGUSR1
  std::unique_ptr<Takeover> takeover_;
  bool followed_ = false;  // by a successor
};

}  // namespace mesh::forwarder

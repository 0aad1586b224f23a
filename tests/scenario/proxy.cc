#include "scenario/proxy.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <sstream>
#include <stdexcept>

#include "support/wait.h"
#include "xds/decode.h"

namespace mesh::scenario {
namespace {

std::shared_ptr<const xds::Config> read(const support::TempDir& folder, const std::string& yaml,
                                        std::string& error) {
  const auto path = folder.write("bootstrap.yaml", yaml);
  auto bootstrap = xds::read_bootstrap(path);
  if (!bootstrap) {
    error = bootstrap.error().text;
    return nullptr;
  }
  return std::make_shared<const xds::Config>(std::move(bootstrap->config));
}

}  // namespace

uint32_t workers() { return GENERATE(from_range(std::begin(kWorkers), std::end(kWorkers))); }

Proxy::Proxy(uint32_t workers, forward::Forwarder::WarmUp warm_up) {
  forward::Local local;
  local.workers = workers;
  local.self.workload = "web-1";
  forwarder_ = std::make_unique<forward::Forwarder>(loop_, local, nullptr, std::move(warm_up));
  forwarder_->on_in_force([this](const std::string& generation) {
    if (!generation.empty()) generation_ = std::stoull(generation);
    ++in_force_;
  });
}

Proxy::Proxy(const std::string& bootstrap, uint32_t workers, forward::Forwarder::WarmUp warm_up)
    : Proxy(workers, std::move(warm_up)) {
  std::string error;
  const auto config = read(folder_, bootstrap, error);
  begin(config, error);
}

Proxy::Proxy(const Config& config, const std::optional<Identity>& identity, uint32_t workers)
    : Proxy(workers) {
  std::string error;
  if (identity)
    if (auto taken = forwarder_->set_identity(identity->svid, identity->bundle); !taken)
      error = taken.error().text;
  begin(config, error);
}

void Proxy::begin(const Config& config, std::string error) {
  if (config && error.empty())
    if (auto applied = forwarder_->apply(numbered(config)); !applied) error = applied.error().text;
  if (!error.empty()) {
    forwarder_.reset();
    throw std::runtime_error(error);
  }
  thread_ = std::thread([this] { loop_.run(); });
  if (!support::wait_for([this] { return generation_ == 1; }))
    throw std::runtime_error("the configuration did not come in force");
}

Proxy::~Proxy() {
  loop_.stop();
  if (thread_.joinable()) thread_.join();
}

void Proxy::run(const std::function<void(forward::Forwarder&)>& what) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  loop_.post([&] {
    what(*forwarder_);
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_one();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
}

uint16_t Proxy::port(const std::string& listener) {
  uint16_t port = 0;
  run([&](forward::Forwarder& f) {
    if (const auto* found = f.snapshot()->listener(listener))
      port = found->socket->address().port();
  });
  return port;
}

std::string Proxy::apply(const std::string& bootstrap) {
  std::string error;
  const auto config = read(folder_, bootstrap, error);
  return config ? apply(config) : error;
}

// What comes in force is told by its number: one that is in use already may do so anew.
Proxy::Config Proxy::numbered(const Config& config) {
  auto copy = std::make_shared<xds::Config>(*config);
  copy->generation = std::to_string(++applied_);
  return copy;
}

std::string Proxy::apply(const Config& config) {
  std::string error;
  const Config next = numbered(config);
  const uint64_t number = applied_;
  run([&](forward::Forwarder& f) {
    if (auto applied = f.apply(next); !applied) error = applied.error().text;
  });
  if (error.empty() && !support::wait_for([&] { return generation_ >= number; }))
    error = "not in force in time";
  return error;
}

std::string Proxy::identify(const Identity& identity) {
  std::string error;
  const uint64_t before = in_force_;
  run([&](forward::Forwarder& f) {
    if (auto changed = f.set_identity(identity.svid, identity.bundle); !changed)
      error = changed.error().text;
  });
  if (error.empty() && !support::wait_for([&] { return in_force_ > before; }))
    error = "not in force in time";
  return error;
}

bool Proxy::drain(Duration longest) {
  run([&](forward::Forwarder& f) { f.drain(longest, [this] { drained_ = true; }); });
  return support::wait_for([this] { return drained_.load(); });
}

size_t Proxy::connections() {
  size_t count = 0;
  run([&](forward::Forwarder& f) { count = f.connections(); });
  return count;
}

std::string ports(std::initializer_list<uint16_t> list) {
  std::string out;
  for (const uint16_t p : list) out += std::to_string(p) + " ";
  return out;
}

std::string Front::yaml() const {
  std::string hosts;
  std::istringstream list(endpoints);
  for (std::string port; list >> port;)
    hosts += R"(
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: )" +
             port + " } } }";
  return R"(static_resources:
  listeners:
  - name: front
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front)" +
         hcm + R"(
          route_config:
            name: local
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:)" +
         (route.empty() ? R"(
              - match: { prefix: "/" }
                route: { cluster: svc })"
                        : route) +
         R"(
          http_filters:)" +
         filters + R"(
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: svc
    type: STATIC
    connect_timeout: 2s)" +
         cluster + R"(
    load_assignment:
      cluster_name: svc)" +
         (groups.empty() ? "\n      endpoints:\n      - lb_endpoints:" + hosts : groups) + "\n";
}

}  // namespace mesh::scenario

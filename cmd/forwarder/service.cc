#include "cmd/forwarder/service.h"

#include <algorithm>
#include <csignal>

#include "base/log.h"
#include "base/random.h"
#include "cli/version.h"
#include "xds/dump.h"
#include "xds/node.h"

namespace mesh::forwarder {
namespace {

client::CertClient::Options identity_options(const daemon::Paths& paths, const Settings& settings) {
  return {.state_dir = paths.state_dir,
          .name = settings.node.id,
          .token_file = settings.token_file,
          .workload_namespace = settings.node.workload_namespace,
          .service_account = settings.service_account};
}

// Beyond the drain itself: for leaving the mesh, and the last report.
constexpr Duration kDrainSpare = std::chrono::seconds(2);

uint64_t new_boot_id() { return Random::from_system().next() | 1; }

}  // namespace

Service::Service(daemon::Runtime& runtime, Settings settings)
    : runtime_(runtime),
      settings_(std::move(settings)),
      certd_(runtime.loop(), runtime.paths().socket("certd")),
      discoveryd_(runtime.loop(), runtime.paths().socket("discoveryd")),
      statsd_(runtime.loop(), runtime.paths().socket("statsd")),
      forwarder_(runtime.loop(), settings_.local, make_demand()),
      identity_(certd_, runtime.loop(), runtime.clock(),
                identity_options(runtime.paths(), settings_),
                [this](const identity::Svid& svid, const identity::TrustBundle& bundle) {
                  if (auto taken = forwarder_.set_identity(svid, bundle); !taken)
                    log::error("identity refused", {{"error", taken.error().text}});
                }),
      stats_(statsd_, settings_.node.id, new_boot_id()),
      mesh_(discoveryd_, settings_.node.id),
      discovery_(runtime.loop(), discoveryd_, forwarder_, runtime.paths().state_dir + "/resources",
                 settings_.on_demand),
      health_reporter_(runtime.loop(), mesh_, forwarder_),
      answers_(*runtime.server(), discovery_, forwarder_, settings_.node),
      admin_(runtime.loop(), forwarder_, admin_host()),
      reopen_(runtime.loop(), SIGUSR1, [this] { forwarder_.reopen_logs(); }),
      report_timer_(runtime.loop(), [this] { report(); }),
      ready_timer_(runtime.loop(), [this] {
        log::warning("nothing to serve from yet; going on without");
        runtime_.ready();
      }) {
  forwarder_.on_in_force([this](const std::string& generation) { on_in_force(generation); });
  forwarder_.set_overload(settings_.overload);
  forwarder_.report_spans_by(
      [this](const telemetry::SpanBatch& spans) { return stats_.report(spans, cli::kVersion); });
}

Service::~Service() = default;

// Asked in later turns of the loop only.
std::unique_ptr<forward::Demand> Service::make_demand() {
  if (!settings_.on_demand) return nullptr;
  return std::make_unique<forward::Demand>(
      runtime_.loop(),
      forward::Demand::Limits{.wait = settings_.on_demand->wait,
                              .waiting_max = settings_.on_demand->waiting_max},
      [this](const std::string& host) { discovery_.need(host); });
}

forward::admin::Host Service::admin_host() {
  forward::admin::Host host;
  host.version = std::string(cli::kVersion);
  host.drain = settings_.drain;
  host.quit = [this] { runtime_.stop("asked by admin"); };
  host.node = [this] { return std::pair(settings_.node.id, settings_.node.workload); };
  host.on_health = [this](bool ill) {
    ill_ = ill;
    if (!draining_) discovery_.restart(node_now());
  };
  host.config_dump = [this](const forward::admin::DumpQuery& query) {
    return xds::dump({}, discovery_.resources(), {query.resource, query.name, query.endpoints},
                     discovery_.updated());
  };
  return host;
}

// As the mesh sees us; one that goes, or says that it is ill, is no endpoint.
bus::Node Service::node_now() const {
  bus::Node node = settings_.node;
  if (draining_ || ill_) node.metadata[std::string(xds::node::kDraining)] = "true";
  return node;
}

Result<void> Service::start(std::vector<net::Inherited> inherited) {
  for (net::Inherited& each : inherited) forwarder_.sockets().provide(std::move(each));
  forwarder_.tolerate_taken_addresses();
  runtime_.set_drain_limit(settings_.drain + kDrainSpare);
  runtime_.hold_ready();
  runtime_.status("waiting for the first configuration");
  ready_timer_.arm(kReadyAfter);
  if (!settings_.admin.empty()) MESH_TRY_VOID(admin_.listen(settings_.admin));
  MESH_TRY_VOID(identity_.start());
  // What was refused for its files is told anew.
  forwarder_.on_files_changed([this] {
    if (!draining_) discovery_.restart(node_now());
  });
  discovery_.start(settings_.node);
  report_timer_.arm(settings_.report_interval);
  health_reporter_.start();
  return {};
}

Result<void> Service::reload(const google::protobuf::Message& message) {
  const auto& fresh = static_cast<const settings::v1::Forwarder&>(message);
  MESH_TRY_VOID(check_change(runtime_.settings_as<settings::v1::Forwarder>(), fresh));
  MESH_TRY(auto settings,
           settings_of(fresh, runtime_.name(), runtime_.arguments(), runtime_.paths().config_dir));
  const bus::Node before = std::exchange(settings_, std::move(settings)).node;
  runtime_.set_drain_limit(settings_.drain + kDrainSpare);
  forwarder_.set_overload(settings_.overload);
  report_timer_.arm(settings_.report_interval);
  if (before.metadata != settings_.node.metadata) discovery_.restart(node_now());
  return {};
}

void Service::on_in_force(const std::string& generation) {
  discovery_.on_in_force(generation);
  std::string status = "generation " + (generation.empty() ? "unknown" : generation) + " in force";
  for (const auto& [name, error] : forwarder_.listeners_left_out())
    status += "; listener " + name + ": " + error;
  runtime_.status(status);
  tell_listeners();
  if (!ready_timer_.armed()) return;
  ready_timer_.cancel();
  runtime_.ready();
}

// discoveryd was told that a listener's address is taken. When it is ours at last, all is
// told anew: a refusal cannot be taken back by itself.
void Service::tell_listeners() {
  std::set<std::string> now;
  for (const auto& [name, error] : forwarder_.listeners_left_out()) now.insert(name);
  const std::set<std::string> before = std::exchange(left_out_, now);
  const bool bound = std::any_of(before.begin(), before.end(),
                                 [&](const std::string& name) { return !now.contains(name); });
  if (bound && !draining_) discovery_.restart(node_now());
}

void Service::report() {
  telemetry::Snapshot totals;
  forwarder_.collect(totals);
  stats_.report(totals);
  report_timer_.arm(settings_.report_interval);
}

// Peers hear first that we go; what they still send in the meantime is served.
void Service::drain(std::function<void()> done) {
  if (std::exchange(draining_, true)) return;
  discovery_.restart(node_now());
  leave_timer_ = std::make_unique<event::Timer>(
      runtime_.loop(), [this, done = std::move(done)]() mutable { leave(std::move(done)); });
  const Duration longest = settings_.drain / 4;
  const bool called = !settings_.node.workload.empty();  // else nobody dials us
  if (!called || !mesh_.up())
    return leave_timer_->arm(called ? std::min<Duration>(kLeaveBlind, longest) : Duration::zero());
  const Duration wait = std::min<Duration>(kLeave, longest);
  leave_timer_->arm(wait);
  mesh_.leave(settings_.node.workload_namespace, settings_.node.workload, wait,
              [this](Result<client::DiscoveryClient::Left> left) {
                if (left_) return;
                if (!left)
                  log::warning("leaving unconfirmed", {{"error", left.error().text}});
                else if (left->pending > 0)
                  log::warning("leaving, and not all have confirmed it",
                               {{"told", left->told}, {"pending", left->pending}});
                leave_timer_->arm(Duration::zero());
              });
}

void Service::leave(std::function<void()> done) {
  left_ = true;
  forwarder_.drain(settings_.drain, [this, done = std::move(done)]() mutable {
    report();
    // One turn more, so that the last totals leave.
    leave_timer_ = std::make_unique<event::Timer>(runtime_.loop(), std::move(done));
    leave_timer_->arm(std::chrono::milliseconds(50));
  });
}

}  // namespace mesh::forwarder

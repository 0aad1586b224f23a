#include "cmd/forwarder/standalone.h"

#include <csignal>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/version.h"
#include "cmd/forwarder/ads_source.h"
#include "xds/dump.h"

namespace mesh::forwarder {

bool is_bootstrap(const std::string& path) {
  constexpr size_t kBytesMax = 16 << 20;
  const auto text = file::read(path, kBytesMax);
  if (!text) return false;
  // At the top of the file, in YAML or as JSON's first level; a settings file of
  // ours has neither key.
  for (std::string_view line : text::split(*text, '\n')) {
    if (line.starts_with("static_resources:") || line.starts_with("dynamic_resources:") ||
        line.starts_with("node:"))
      return true;
    if (line.find("\"static_resources\"") != std::string_view::npos ||
        line.find("\"staticResources\"") != std::string_view::npos ||
        line.starts_with("staticResources:"))
      return true;
  }
  return false;
}

namespace {

// The generation of what serves nobody yet: the clusters by which the control plane is found.
constexpr const char* kStarting = "starting";

// A server has resources of it, or secrets.
bool asks(const xds::Bootstrap& bootstrap) {
  return bootstrap.dynamic || xds::asks_for_secrets(bootstrap.config);
}

}  // namespace

Standalone::Standalone(daemon::Runtime& runtime, std::string file, const Options& options)
    : runtime_(runtime),
      file_(std::move(file)),
      options_(options),
      forwarder_(runtime.loop(), {.self = {},
                                  .node_id = options.node_id,
                                  .zone = options.zone,
                                  .workers = options.workers}),
      spans_(runtime.loop(), forwarder_),
      admin_(runtime.loop(), forwarder_, admin_host()),
      reopen_(runtime.loop(), SIGUSR1, [this] { forwarder_.reopen_logs(); }) {
  forwarder_.report_spans_by(
      [this](const telemetry::SpanBatch& batch) { return spans_.report(batch); });
}

Standalone::~Standalone() = default;

forward::admin::Host Standalone::admin_host() {
  forward::admin::Host host;
  host.version = std::string(cli::kVersion);
  host.config_path = file_;
  host.drain = options_.drain;
  host.quit = [this] { runtime_.stop("asked by admin"); };
  host.config_dump = [this](const forward::admin::DumpQuery& query) {
    return xds::dump(bootstrap_.source, ads_ ? ads_->resources() : std::vector<xds::DumpResource>(),
                     {query.resource, query.name, query.endpoints}, updated_);
  };
  host.numbers = [this] { return ads_ ? ads_->numbers() : std::vector<forward::admin::Number>(); };
  host.node = [this] { return std::pair(bootstrap_.node_id, bootstrap_.node_cluster); };
  return host;
}

Result<void> Standalone::apply(std::shared_ptr<const xds::Config> config) {
  MESH_TRY_VOID(forwarder_.apply(std::move(config)));
  updated_ = runtime_.clock().wall();
  return {};
}

Result<void> Standalone::use(xds::Bootstrap bootstrap) {
  if (!ads_) {
    MESH_TRY_VOID(apply(std::make_shared<const xds::Config>(std::move(bootstrap.config))));
  } else {
    auto before = ads_->set_static(std::move(bootstrap.config));
    if (ads_->whole())
      if (auto applied = apply(ads_->config()); !applied) {
        ads_->set_static(std::move(before));
        return applied;
      }
  }
  forwarder_.set_overload(bootstrap.overload);
  bootstrap_ = std::move(bootstrap);
  bootstrap_.config = {};
  return {};
}

// As Envoy: no listener, a static one neither, before the control plane was heard, or is too
// late. Its cluster is in use from now on, so that its name is resolved.
Result<void> Standalone::begin_dynamic() {
  // What was free when a resource was taken may not be when it is used: tried again then.
  forwarder_.tolerate_taken_addresses();
  auto first = std::make_shared<xds::Config>(bootstrap_.config);
  first->listeners.clear();
  first->generation = kStarting;
  MESH_TRY_VOID(apply(std::move(first)));
  ads_ = std::make_unique<AdsSource>(runtime_.loop(), forwarder_, bootstrap_,
                                     [this](std::shared_ptr<const xds::Config> config) {
                                       if (auto applied = apply(std::move(config)); !applied)
                                         log::error("configuration refused, the one before stays",
                                                    {{"error", applied.error().text}});
                                     });
  forwarder_.set_overload(bootstrap_.overload);
  bootstrap_.config = {};
  ads_->start();
  return {};
}

Result<void> Standalone::start(xds::Bootstrap bootstrap, std::vector<net::Inherited> inherited) {
  for (net::Inherited& each : inherited) forwarder_.sockets().provide(std::move(each));
  if (!options_.takeover.empty()) {
    takeover_ = std::make_unique<Takeover>(runtime_.loop(), forwarder_, options_.takeover, [this] {
      followed_ = true;
      admin_.stop();
      if (options_.parent_shutdown > Duration::zero())
        runtime_.set_drain_limit(options_.parent_shutdown + std::chrono::seconds(1));
      runtime_.stop("a successor serves");
    });
    MESH_TRY_VOID(takeover_->take(options_.must_take_over));
    if (takeover_->took_over()) forwarder_.be_ready_first();
  }
  runtime_.set_drain_limit(options_.drain + std::chrono::seconds(1));
  if (!bootstrap.admin.empty()) MESH_TRY_VOID(admin_.listen(bootstrap.admin));
  forwarder_.on_in_force([this](const std::string& generation) { on_in_force(generation); });
  runtime_.hold_ready();
  if (!asks(bootstrap)) return use(std::move(bootstrap));
  bootstrap_ = std::move(bootstrap);
  return begin_dynamic();
}

Result<void> Standalone::reload(const google::protobuf::Message&) {
  MESH_TRY(auto bootstrap, xds::read_bootstrap(file_));
  if (ads_ ? bootstrap.dynamic != bootstrap_.dynamic || bootstrap.node != bootstrap_.node
           : asks(bootstrap))
    return Error{Errc::Invalid, file_ +
                                    ": dynamic_resources, the node beside them, and that "
                                    "servers have secrets at all, change with a restart only"};
  return use(std::move(bootstrap));
}

void Standalone::on_in_force(const std::string& generation) {
  if (ads_) ads_->on_in_force();
  if (generation == kStarting) return;
  for (const auto& [name, error] : forwarder_.listeners_left_out())
    log::warning("a listener's address is taken; tried again until it is free",
                 {{"listener", name}, {"error", error}});
  for (const net::Inherited& left : forwarder_.sockets().take_back())
    log::warning("no listener uses an inherited socket",
                 {{"name", left.name}, {"address", left.asked.to_string()}});
  runtime_.ready();
  if (!takeover_ || followed_) return;
  if (auto serving = takeover_->serve(); !serving)
    log::error("no successor can take over", {{"error", serving.error().text}});
}

void Standalone::drain(std::function<void()> done) {
  const bool bounded = followed_ && options_.parent_shutdown > Duration::zero();
  forwarder_.drain(bounded ? options_.parent_shutdown : options_.drain, std::move(done));
}

}  // namespace mesh::forwarder

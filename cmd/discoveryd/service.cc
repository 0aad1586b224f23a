#include "cmd/discoveryd/service.h"

#include "base/file.h"
#include "base/log.h"
#include "cmd/discoveryd/node.h"

namespace mesh::discoveryd {
namespace {

constexpr size_t kStateBytesMax = 64U << 20;
// Changes of a moment are compiled together; short beside a connect.
constexpr Duration kSettle = std::chrono::milliseconds(5);
// Forwarders that come together are saved together.
constexpr Duration kRosterSettle = std::chrono::milliseconds(100);

}  // namespace

Service::Service(daemon::Runtime& runtime, Settings settings)
    : clock_(runtime.clock()),
      registrations_file_(runtime.paths().state_dir + "/registrations"),
      forwarders_file_(runtime.paths().state_dir + "/forwarders"),
      settings_(std::move(settings)),
      registry_(settings_.registry),
      soon_(runtime.loop(), [this] { rebuild(); }),
      expiry_(runtime.loop(),
              [this] {
                if (registry_.expire(clock_.now())) touch();
                arm_expiry();
              }),
      roster_expiry_(runtime.loop(),
                     [this] {
                       roster_.expire(clock_.now());
                       save_roster();
                       arm_roster();
                     }),
      roster_soon_(runtime.loop(), [this] { save_roster(); }),
      publisher_(clock_,
                 {.arrived = [this](const auto& node, const auto& words) { arrived(node, words); },
                  .left = [this](const auto& node) { left(node); }}),
      configd_(runtime.loop(), runtime.paths().socket("configd")),
      source_(configd_, runtime.paths().state_dir + "/objects",
              [this](auto objects, auto problems) {
                on_config(std::move(objects), std::move(problems));
              }),
      keys_(runtime.loop(), clock_, runtime.paths().state_dir + "/keys",
            [this] { set_options(); }) {
  keys_.configure(settings_.jwks);
}

Result<std::unique_ptr<Service>> Service::start(daemon::Runtime& runtime) {
  MESH_TRY(auto settings, settings_of(runtime.settings_as<settings::v1::Discoveryd>()));
  auto service = std::make_unique<Service>(runtime, std::move(settings));
  service->restore();
  service->restore_roster();
  service->keys_.restore();
  service->settings_.model.token_keys = service->keys_.keys();
  service->source_.start();
  bus::Server& server = *runtime.server();
  using bus::Allow;
  server.answer(Allow::Workload, service.get(), &Service::add);
  server.answer(Allow::Workload, service.get(), &Service::remove);
  server.answer(Allow::Anyone, service.get(), &Service::services);
  server.answer(Allow::Anyone, service.get(), &Service::endpoints);
  server.answer(Allow::Anyone, service.get(), &Service::status);
  server.answer(Allow::Anyone, service.get(), &Service::resources);
  server.answer(Allow::Anyone, service.get(), &Service::places);
  server.answer(Allow::Anyone, service.get(), &Service::describe);
  service->publisher_.serve(server);
  if (service->settings_.xds) {
    service->xds_ =
        std::make_unique<XdsServer>(runtime, service->publisher_,
                                    service->settings_.model.trust_domain, *service->settings_.xds);
    MESH_TRY_VOID(service->xds_->start());
  }
  return service;
}

Result<void> Service::reload(const google::protobuf::Message& message) {
  MESH_TRY(auto settings, settings_of(static_cast<const settings::v1::Discoveryd&>(message)));
  settings_ = std::move(settings);
  registry_.set_limits(settings_.registry);
  keys_.configure(settings_.jwks);
  set_options();
  return {};
}

void Service::set_options() {
  settings_.model.token_keys = keys_.keys();
  if (!objects_) return;
  // Other options are other resources: as with a new generation.
  objects_ = std::make_shared<const discovery::Objects>(*objects_);
  touch();
}

void Service::drain(std::function<void()> done) {
  save();
  save_roster();
  if (xds_) xds_->drain();
  done();
}

void Service::arrived(const discovery::Node& node, const bus::Node& words) {
  roster_.arrive(node.id, {.ns = node.ns, .workload = node.workload, .ending = draining(words)});
  if (roster_.revision() != saved_roster_ && !roster_soon_.armed()) roster_soon_.arm(kRosterSettle);
  if (node.workload.empty()) return;
  const bool changed = registry_.arrive({node.ns, node.workload}, self_of(node, words),
                                        draining(words), clock_.now());
  if (changed || registry_.revision() != saved_revision_) touch();
}

void Service::left(const discovery::Node& node) {
  if (!publisher_.forwarders().contains(node.id)) {
    roster_.leave(node.id, clock_.now());
    arm_roster();
  }
  registry_.leave({node.ns, node.workload}, clock_.now());
  arm_expiry();
}

// Without it nobody is expected: a receipt could come too early, nothing else.
void Service::restore_roster() {
  const auto bytes = file::read(forwarders_file_, kStateBytesMax);
  if (!bytes && bytes.error().kind == Errc::NotFound) return;
  const auto restored = bytes ? roster_.restore(*bytes, clock_.now()) : Result<void>(bytes.error());
  if (!restored)
    log::warning("the forwarders of before are not known", {{"error", restored.error().text}});
  saved_roster_ = roster_.revision();
  arm_roster();
}

void Service::save_roster() {
  if (roster_.revision() == saved_roster_) return;
  saved_roster_ = roster_.revision();
  const auto written = file::write(forwarders_file_, roster_.save(), 0600);
  if (!written) log::error("forwarders are not remembered", {{"error", written.error().text}});
}

void Service::arm_roster() {
  const auto next = roster_.next_expiry();
  if (!next) return roster_expiry_.cancel();
  roster_expiry_.arm(std::max<Duration>(Duration(0), *next - clock_.now()));
}

void Service::restore() {
  const auto bytes = file::read(registrations_file_, kStateBytesMax);
  if (!bytes) {
    if (bytes.error().kind != Errc::NotFound)
      log::warning("the registrations cannot be read", {{"error", bytes.error().text}});
    return;
  }
  const auto restored = registry_.restore(*bytes, clock_.now());
  if (!restored) log::warning("the registrations are lost", {{"error", restored.error().text}});
  arm_expiry();
}

void Service::save() {
  if (registry_.revision() == saved_revision_) return;
  saved_revision_ = registry_.revision();
  const auto written = file::write(registrations_file_, registry_.save(clock_.now()), 0600);
  if (!written) log::error("registrations are not kept", {{"error", written.error().text}});
}

void Service::on_config(std::shared_ptr<const discovery::Objects> objects,
                        std::vector<std::string> problems) {
  objects_ = std::move(objects);
  problems_ = std::move(problems);
  for (const auto& problem : problems_) log::warning("left out", {{"object", problem}});
  keys_.want(*objects_);
  settings_.model.token_keys = keys_.keys();
  rebuild();
}

void Service::touch() {
  if (!soon_.armed()) soon_.arm(kSettle);
}

void Service::rebuild() {
  soon_.cancel();
  save();
  arm_expiry();
  if (!objects_) return;
  publisher_.publish(discovery::Model::build(
      settings_.model, objects_, registry_.workloads(),
      [this](const discovery::Registry::Key& key) { return registry_.state(key); }));
}

void Service::arm_expiry() {
  const auto next = registry_.next_expiry();
  if (!next) return expiry_.cancel();
  expiry_.arm(std::max<Duration>(Duration(0), *next - clock_.now()));
}

}  // namespace mesh::discoveryd

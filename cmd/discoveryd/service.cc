#include "cmd/discoveryd/service.h"

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "cmd/discoveryd/node.h"
#include "discovery/extent.h"

namespace mesh::discoveryd {
namespace {

constexpr size_t kStateBytesMax = 64U << 20;
// Renewals and presences of a moment are written together.
constexpr Duration kSaveSettle = std::chrono::milliseconds(200);
constexpr Duration kUnconfirmedAgain = std::chrono::seconds(1);
// Forwarders that come together are saved together.
constexpr Duration kRosterSettle = std::chrono::milliseconds(100);
// What a change or an arrival of many took for a moment.
constexpr uint64_t kTrimBytes = 8U << 20;

}  // namespace

Service::Service(daemon::Runtime& runtime, Settings settings)
    : clock_(runtime.clock()),
      registrations_file_(runtime.paths().state_dir + "/registrations"),
      forwarders_file_(runtime.paths().state_dir + "/forwarders"),
      settings_(std::move(settings)),
      registry_(settings_.registry),
      soon_(runtime.loop(), [this] { apply_registry(); }),
      save_timer_(runtime.loop(), [this] { save(); }),
      expiry_(runtime.loop(),
              [this] {
                if (registry_.expire(clock_.now())) touch();
                drop_unconfirmed();
                arm_expiry();
                share_soon();
              }),
      roster_expiry_(runtime.loop(),
                     [this] {
                       roster_.expire(clock_.now());
                       save_roster();
                       arm_roster();
                     }),
      roster_soon_(runtime.loop(), [this] { save_roster(); }),
      leaves_timer_(runtime.loop(), [this] { answer_leaves(); }),
      refused_timer_(runtime.loop(), [this] { on_refused(); }),
      publisher_(clock_,
                 {.complete = [this](auto& node, const auto& words) { complete(node, words); },
                  .arrived = [this](const auto& node, const auto& words) { arrived(node, words); },
                  .answered =
                      [this] {
                        share_host_soon();
                        if (!leaves_.empty()) answer_leaves();
                      },
                  .left = [this](const auto& node, const auto& words) { left(node, words); },
                  .refused = [this] { on_refused(); }}),
      names_(runtime.loop(), runtime.paths().state_dir + "/addresses"),
      configd_(runtime.loop(), runtime.paths().socket("configd")),
      source_(configd_, runtime.paths().state_dir + "/objects",
              [this](auto objects, auto problems, const auto& changed) {
                on_config(std::move(objects), std::move(problems), changed);
              }),
      keys_(runtime.loop(), clock_, runtime.paths().state_dir + "/keys", [this] { set_options(); }),
      share_timer_(runtime.loop(), [this] { share(); }),
      trimmer_(runtime.loop(), kTrimBytes, [] { return 0; }) {
  keys_.configure(settings_.jwks);
}

Result<std::unique_ptr<Service>> Service::start(daemon::Runtime& runtime) {
  MESH_TRY(auto settings, settings_of(runtime.settings_as<settings::v1::Discoveryd>()));
  auto service = std::make_unique<Service>(runtime, std::move(settings));
  MESH_TRY_VOID(service->names_.set(service->settings_.dns));
  service->restore();
  service->restore_roster();
  service->keys_.restore();
  service->settings_.model.token_keys = service->keys_.keys();
  service->source_.start();
  bus::Server& server = *runtime.server();
  using bus::Allow;
  server.answer(Allow::Workload, service.get(), &Service::add);
  server.answer(Allow::Workload, service.get(), &Service::remove);
  server.answer_later(Allow::Workload, service.get(), &Service::leave);
  server.collect(Allow::Workload, service.get(), &Service::on_health);
  server.answer(Allow::Anyone, service.get(), &Service::services);
  server.answer(Allow::Anyone, service.get(), &Service::endpoints);
  server.answer(Allow::Anyone, service.get(), &Service::status);
  server.answer(Allow::Anyone, service.get(), &Service::resources);
  server.answer(Allow::Anyone, service.get(), &Service::places);
  server.answer(Allow::Anyone, service.get(), &Service::describe);
  server.answer(Allow::Operator, service.get(), &Service::preview);
  service->publisher_.serve(server);
  if (service->settings_.xds) {
    service->xds_ =
        std::make_unique<XdsServer>(runtime, service->publisher_,
                                    service->settings_.model.trust_domain, *service->settings_.xds);
    MESH_TRY_VOID(service->xds_->start());
  }
  MESH_TRY_VOID(service->start_sharing(runtime));
  service->registry_.await_return(service->clock_.now());
  service->arm_expiry();
  return service;
}

Result<void> Service::reload(const google::protobuf::Message& message) {
  MESH_TRY(auto settings, settings_of(static_cast<const settings::v1::Discoveryd&>(message)));
  MESH_TRY_VOID(names_.set(settings.dns));
  settings_ = std::move(settings);
  registry_.set_limits(settings_.registry);
  keys_.configure(settings_.jwks);
  set_options();
  return {};
}

void Service::set_options() {
  settings_.model.token_keys = keys_.keys();
  rebuild();  // other options are other resources
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
  auto self = self_of(node, words);
  bool probed = false;
  if (const std::string name = group_of(words); !name.empty()) {
    const auto* group = objects_ ? discovery::find_group(*objects_, node.ns, name) : nullptr;
    discovery::Node ignored = node;
    // A group that is not there yet describes nothing.
    if (group != nullptr)
      discoveryd::complete(*group, words, ignored, self);
    else
      self.reset();
    grouped_.insert_or_assign(node.id, words);
    probed = group != nullptr && group->spec.has_probe();
  }
  // One that is new is an endpoint from its probe's first success on. After our own start
  // all may be new to us, and nobody is held back.
  const discovery::Registry::Key key{node.ns, node.workload};
  if (probed && !registry_.registered(key) &&
      clock_.now() - started_ >= settings_.registry.start_grace)
    registry_.set_illness(key, "its probe has not passed yet");
  const bool changed =
      registry_.arrive(key, std::move(self), draining(words), clock_.now(), node.id);
  if (changed) touch();
  share_soon();
  if (registry_.revision() != saved_revision_) save_soon();
}

void Service::left(const discovery::Node& node, const bus::Node& words) {
  if (!publisher_.forwarders().contains(node.id)) {
    roster_.leave(node.id, clock_.now());
    grouped_.erase(node.id);
    checks_.drop(node.id);
    arm_roster();
  }
  // Of the workload that it came for: the name may be another's by now.
  if (const auto was = node_of(words);
      was && registry_.leave({was->ns, was->workload}, clock_.now(), was->id))
    touch();
  share_soon();
  arm_expiry();
}

// Others hear of it too, and when it is over.
void Service::on_refused() {
  if (publisher_.forget_refused()) refused_timer_.arm(discovery::Refusals::kAgainMax);
  share_host_soon();
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

void Service::save_soon() {
  if (!save_timer_.armed()) save_timer_.arm(kSaveSettle);
}

void Service::on_config(std::shared_ptr<const discovery::Objects> objects,
                        std::vector<std::string> problems, const ConfigSource::Names& changed) {
  problems_ = std::move(problems);
  for (const auto& problem : problems_) log::warning("left out", {{"object", problem}});
  objects_ = std::move(objects);
  keys_.want(*objects_);
  settings_.model.token_keys = keys_.keys();
  if (!model_) {
    on_groups();
    return rebuild();
  }
  const bool groups = std::any_of(changed.begin(), changed.end(), [](const auto& name) {
    return name.starts_with("WorkloadGroup/");
  });
  if (groups) on_groups();
  apply_registry();
  auto change = discovery::change_of(*model_, *objects_, changed);
  if (model_->options().token_keys != settings_.model.token_keys)
    change = {.extent = {.all = true}, .rebuild = true};
  if (change.rebuild) {
    model_ = build(objects_);
    discovery::add_instances(*model_, changed, change.extent);
  } else {
    const auto heeded = model_->heeds();
    model_->set_rules(objects_);
    change.extent.all |= !(model_->heeds() == heeded);
  }
  publisher_.publish(model_, change.extent);
}

void Service::touch() {
  if (!soon_.armed()) soon_.arm(Duration::zero());
}

void Service::apply_registry() {
  soon_.cancel();
  arm_expiry();
  save_soon();
  share_soon();
  if (!model_) return;
  for (const auto& key : registry_.take_changes()) {
    const auto registered = registry_.find(key);
    publisher_.publish_instance(key, model_->set(key, registered ? &*registered : nullptr,
                                                 registry_.state(key), registry_.illness(key)));
  }
  publisher_.finish();
}

std::shared_ptr<discovery::Model> Service::build(
    std::shared_ptr<const discovery::Objects> objects) {
  auto model = build_apart(std::move(objects));
  names_.complete(*model);
  return model;
}

std::shared_ptr<discovery::Model> Service::build_apart(
    std::shared_ptr<const discovery::Objects> objects) const {
  auto model = discovery::Model::build(
      settings_.model, std::move(objects), registry_.workloads(),
      [this](const discovery::Registry::Key& key) { return registry_.state(key); });
  for (const auto& [key, illness] : registry_.illnesses()) {
    const auto registered = registry_.find(key);
    model->set(key, registered ? &*registered : nullptr, registry_.state(key), illness);
  }
  return model;
}

void Service::rebuild() {
  soon_.cancel();
  arm_expiry();
  if (!objects_) return;
  registry_.take_changes();
  model_ = build(objects_);
  publisher_.publish(model_, {.all = true});
}

void Service::arm_expiry() {
  auto next = registry_.next_expiry();
  // Who is unconfirmed leaves once others are confirmed: that is looked at again.
  if (!registry_.unconfirmed().empty())
    next =
        next ? std::min(*next, clock_.now() + kUnconfirmedAgain) : clock_.now() + kUnconfirmedAgain;
  if (!next) return expiry_.cancel();
  expiry_.arm(std::max<Duration>(Duration(0), *next - clock_.now()));
}

}  // namespace mesh::discoveryd

#include "cmd/configd/service.h"

#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "cmd/configd/etcd_source.h"
#include "cmd/configd/executable_source.h"
#include "cmd/configd/replies.h"
#include "config/reader.h"
#include "etcd/settings.h"

namespace mesh::configd {
namespace {

constexpr std::string_view kObjectType = "type.googleapis.com/mesh.config.v1.Object";
constexpr size_t kRecordChangesMax = 1000;
constexpr uint64_t kTrimBytes = 8U << 20;  // what reading a set took

std::string directory_of(const daemon::Paths& paths, const settings::v1::Configd& settings) {
  const std::string name = settings.directory().empty() ? "config" : settings.directory();
  return name.starts_with('/') ? name : paths.config_dir + "/" + name;
}

Duration settle_of(const settings::v1::Configd& settings) {
  if (!settings.has_settle()) return std::chrono::milliseconds(100);
  return std::chrono::seconds(settings.settle().seconds()) +
         std::chrono::nanoseconds(settings.settle().nanos());
}

}  // namespace

Service::Service(daemon::Runtime& runtime, const settings::v1::Configd& settings)
    : runtime_(runtime),
      configuration_(runtime, settings.generations_max() == 0 ? 64 : settings.generations_max()),
      trimmer_(runtime.loop(), kTrimBytes, [] { return 0; }) {}

// What people write: the directory, or etcd in its place.
Result<void> Service::add_own(const settings::v1::Configd& settings) {
  const daemon::Paths& paths = runtime_.paths();
  if (settings.has_etcd()) {
    auto options = etcd::options_of(settings.etcd(), paths.config_dir);
    if (!options) return config::in_field("etcd", std::move(options).error());
    configuration_.add(std::make_unique<EtcdSource>(runtime_.loop(), *std::move(options),
                                                    etcd::prefix_of(settings.etcd()) + "config/"));
    return {};
  }
  auto directory = std::make_unique<DirectorySource>(runtime_.loop(), directory_of(paths, settings),
                                                     paths.state_dir, settle_of(settings));
  directory_ = directory.get();
  configuration_.add(std::move(directory));
  // On the very first start only: later, a directory that is gone is a fault,
  // not an empty configuration.
  if (configuration_.first_start()) ::mkdir(directory_->directory().c_str(), 0755);
  if (auto recovered = directory_->recover(); !recovered)
    log::error("an interrupted edit could not be finished", {{"why", recovered.error().text}});
  return {};
}

Result<std::unique_ptr<Service>> Service::start(daemon::Runtime& runtime) {
  const auto& settings = runtime.settings_as<settings::v1::Configd>();
  std::unique_ptr<Service> service(new Service(runtime, settings));
  Configuration& configuration = service->configuration_;
  MESH_TRY_VOID(configuration.open());
  MESH_TRY_VOID(service->add_own(settings));
  for (const auto& source : settings.sources())
    configuration.add(std::make_unique<ExecutableSource>(runtime.loop(), source));
  configuration.start();

  bus::Server& server = *runtime.server();
  using bus::Allow;
  server.answer_later(Allow::Operator, service.get(), &Service::apply);
  server.answer_later(Allow::Operator, service.get(), &Service::remove);
  server.answer_later(Allow::Operator, service.get(), &Service::rollback);
  server.answer(Allow::Operator, service.get(), &Service::confirm);
  server.answer(Allow::Anyone, service.get(), &Service::validate);
  server.answer(Allow::Anyone, service.get(), &Service::get);
  server.answer(Allow::Anyone, service.get(), &Service::history);
  server.answer(Allow::Anyone, service.get(), &Service::status);
  server.serve(Allow::Anyone, std::string(kObjectType), configuration.publisher());
  return service;
}

Result<void> Service::reload(const google::protobuf::Message& message) {
  const auto& settings = static_cast<const settings::v1::Configd&>(message);
  if (settings.has_etcd() == (directory_ != nullptr))
    return Error{Errc::Invalid, "etcd: changes with a restart only"};
  if (directory_ != nullptr) {
    if (directory_of(runtime_.paths(), settings) != directory_->directory())
      return Error{Errc::Invalid, "directory: changes with a restart only"};
    directory_->set_settle(settle_of(settings));
  }
  configuration_.sources().refresh();
  return {};
}

Result<v1::ConfirmReply> Service::confirm(const v1::ConfirmRequest& request,
                                          const bus::Peer& peer) {
  MESH_TRY(const auto record, configuration_.store().resolve(request.generation()));
  v1::ConfirmReply reply;
  reply.set_generation(record.generation);
  const Trial& trial = configuration_.trial();
  if (trial.on() && trial.state().generation() == record.generation) {
    MESH_TRY_VOID(configuration_.confirm());
    reply.set_changed(true);
    log::notice("confirmed", {{"generation", record.generation}, {"uid", peer.uid}});
  } else if (trial.on()) {
    return Error{Errc::NotFound, "the generation on trial is " + trial.state().generation() +
                                     ", not " + record.generation};
  } else if (record.generation != configuration_.generation()) {
    return Error{Errc::NotFound, record.generation + " is not in force any more, " +
                                     configuration_.generation() +
                                     " is; nothing is on trial (mesh history)"};
  }
  return reply;
}

Result<v1::ChangeReply> Service::validate(const v1::ValidateRequest& request, const bus::Peer&) {
  v1::ChangeReply reply;
  reply.set_generation(configuration_.generation());
  MESH_TRY(const config::Reading added, read_files(request.files()));
  add_problems(reply, added.errors, false);
  add_problems(reply, added.warnings, true);
  if (refused(reply)) return reply;
  check(merge(configuration_.set(), added.set, reply), reply);
  refused(reply);
  return reply;
}

Result<v1::GetReply> Service::get(const v1::GetRequest& request, const bus::Peer&) {
  if (request.generation().empty())
    return get_reply(request, configuration_.set(), configuration_.generation());
  MESH_TRY(const auto record, configuration_.store().resolve(request.generation()));
  if (record.generation != loaded_generation_) {
    MESH_TRY(loaded_, configuration_.store().load(record.generation));
    loaded_generation_ = record.generation;
  }
  return get_reply(request, loaded_, loaded_generation_);
}

Result<v1::HistoryReply> Service::history(const v1::HistoryRequest& request, const bus::Peer&) {
  v1::HistoryReply reply;
  const auto& records = configuration_.store().history();
  for (size_t i = records.size(); i-- > 0;) {
    if (request.records_max() != 0 && size_t(reply.records_size()) == request.records_max()) break;
    auto& to = *reply.add_records();
    to.set_generation(records[i].generation);
    to.set_number(records[i].number);
    to.set_accepted_unix_ms(records[i].accepted_unix_ms);
    to.set_how(records[i].origin.how);
    to.set_by_peer(records[i].origin.uid.has_value());
    to.set_uid(records[i].origin.uid.value_or(0));
    // A record whose files are damaged is told without what it changed.
    const auto changes = configuration_.store().changes(i);
    if (!changes || !*changes) continue;
    to.set_created(uint32_t((*changes)->created.size()));
    to.set_configured(uint32_t((*changes)->configured.size()));
    to.set_deleted(uint32_t((*changes)->deleted.size()));
    add_changes(*to.mutable_changes(), **changes, kRecordChangesMax);
  }
  return reply;
}

Result<v1::StatusReply> Service::status(const v1::StatusRequest&, const bus::Peer&) {
  v1::StatusReply reply;
  const config::Store& store = configuration_.store();
  const Sources& sources = configuration_.sources();
  if (!store.history().empty()) {
    reply.set_generation(configuration_.generation());
    reply.set_accepted_unix_ms(store.history().back().accepted_unix_ms);
    reply.set_number(store.history().back().number);
  }
  reply.set_objects(uint32_t(configuration_.set().size()));
  if (directory_ != nullptr) reply.set_directory(directory_->location());
  reply.set_generations(uint32_t(store.history().size()));
  reply.set_directory_accepted(sources.right());
  reply.set_damage(store.damage());
  add_problems(reply, sources.errors(), false);
  add_problems(reply, sources.warnings(), true);
  sources.tell(reply);
  if (const Trial& trial = configuration_.trial(); trial.on()) {
    reply.mutable_trial()->set_generation(trial.state().generation());
    reply.mutable_trial()->set_back_to(trial.state().back_to());
    reply.mutable_trial()->set_until_unix_ms(trial.state().until_unix_ms());
    reply.mutable_trial()->set_error(trial.error());
  }
  return reply;
}

}  // namespace mesh::configd

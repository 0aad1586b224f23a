#include "cmd/configd/service.h"

#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"

namespace mesh::configd {
namespace {

constexpr size_t kRequestFilesMax = 10'000;
constexpr size_t kLinesMax = 200;              // of problems in a reply
constexpr size_t kPageBytesMax = 1024 * 1024;  // of objects in a reply
constexpr size_t kLoggedMax = 10;
constexpr std::string_view kObjectType = "type.googleapis.com/mesh.config.v1.Object";

std::string directory_of(const daemon::Paths& paths, const settings::v1::Configd& settings) {
  const std::string name = settings.directory().empty() ? "config" : settings.directory();
  return name.starts_with('/') ? name : paths.config_dir + "/" + name;
}

Duration settle_of(const settings::v1::Configd& settings) {
  if (!settings.has_settle()) return std::chrono::milliseconds(100);
  return std::chrono::seconds(settings.settle().seconds()) +
         std::chrono::nanoseconds(settings.settle().nanos());
}

template <class Reply>
void add_problems(Reply& reply, const std::vector<std::string>& lines, bool warning) {
  for (const std::string& line : lines) {
    if (size_t(reply.problems_size()) == kLinesMax) return;
    auto* problem = reply.add_problems();
    problem->set_text(line);
    problem->set_warning(warning);
  }
}

void add_change(v1::ChangeReply& reply, const config::Name& name, v1::Change::What what) {
  auto* change = reply.add_changes();
  change->set_object(config::to_string(name));
  change->set_what(what);
}

// The objects of a request's files, apart from what is accepted.
Result<config::Reading> read_files(const google::protobuf::RepeatedPtrField<v1::File>& files) {
  if (size_t(files.size()) > kRequestFilesMax)
    return Error{Errc::TooBig, "more than " + std::to_string(kRequestFilesMax) + " files"};
  config::Reading reading;
  for (const v1::File& file : files) config::read_into(reading, file.name(), file.text());
  return reading;
}

// The set with the objects of `added` in it; `added` lists what becomes of each.
config::ObjectSet merge(const config::ObjectSet& base, const config::ObjectSet& added,
                        v1::ChangeReply& reply) {
  config::ObjectSet merged = base;
  for (const auto& [name, object] : added.objects()) {
    const config::v1::Object* before = base.find(name);
    const bool same = before != nullptr && config::digest(*before) == config::digest(*object);
    add_change(reply, name,
               same                ? v1::Change::UNCHANGED
               : before == nullptr ? v1::Change::CREATED
                                   : v1::Change::CONFIGURED);
    if (!same) merged.put(*object);
  }
  return merged;
}

// Whether there is an error among the problems; then nothing is to be changed.
bool refused(v1::ChangeReply& reply) {
  for (const auto& problem : reply.problems()) {
    if (problem.warning()) continue;
    reply.clear_changes();
    return true;
  }
  return false;
}

// The same objects at the same places.
bool identical(const config::ObjectSet& a, const config::ObjectSet& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, object] : a.objects()) {
    const config::v1::Object* other = b.find(name);
    if (other == nullptr || config::canonical_bytes(*object) != config::canonical_bytes(*other))
      return false;
  }
  return true;
}

void check_whole(const config::ObjectSet& set, v1::ChangeReply& reply) {
  const config::SetProblems problems = config::check_set(set);
  add_problems(reply, problems.errors, false);
  add_problems(reply, problems.warnings, true);
}

}  // namespace

Service::Service(daemon::Runtime& runtime, const settings::v1::Configd& settings)
    : runtime_(runtime),
      source_(directory_of(runtime.paths(), settings), runtime.paths().state_dir),
      store_(runtime.paths().state_dir,
             settings.generations_max() == 0 ? 64 : settings.generations_max()) {}

Result<std::unique_ptr<Service>> Service::start(daemon::Runtime& runtime) {
  const auto& settings = runtime.settings_as<settings::v1::Configd>();
  std::unique_ptr<Service> service(new Service(runtime, settings));
  MESH_TRY_VOID(service->store_.open());
  MESH_TRY(service->set_, service->store_.load());
  const std::string& directory = service->source_.directory();
  // On the very first start only: later, a directory that is gone is a fault,
  // not an empty configuration.
  if (service->store_.history().empty())
    ::mkdir(directory.c_str(), 0755);
  else
    service->publisher_.publish(service->set_);
  if (auto recovered = service->source_.recover(); !recovered)
    log::error("an interrupted edit could not be finished", {{"why", recovered.error().text}});
  service->take_directory();
  service->watch_ = std::make_unique<DirectoryWatch>(runtime.loop(), directory, settle_of(settings),
                                                     [s = service.get()] { s->take_directory(); });

  bus::Server& server = *runtime.server();
  using bus::Allow;
  server.answer(Allow::Operator, service.get(), &Service::apply);
  server.answer(Allow::Operator, service.get(), &Service::remove);
  server.answer(Allow::Anyone, service.get(), &Service::validate);
  server.answer(Allow::Anyone, service.get(), &Service::get);
  server.answer(Allow::Anyone, service.get(), &Service::status);
  server.serve(Allow::Anyone, std::string(kObjectType), service->publisher_);
  return service;
}

Result<void> Service::reload(const google::protobuf::Message& message) {
  const auto& settings = static_cast<const settings::v1::Configd&>(message);
  if (directory_of(runtime_.paths(), settings) != source_.directory())
    return Error{Errc::Invalid, "directory: changes with a restart only"};
  watch_->set_settle(settle_of(settings));
  take_directory();
  return {};
}

void Service::take_directory() {
  auto reading = source_.read();
  if (!reading) return remember({reading.error().text}, {});
  if (!reading->errors.empty()) return remember(reading->errors, reading->warnings);
  const bool first = store_.history().empty();
  const bool changed = first || reading->set.generation() != set_.generation();
  if (auto done = commit(reading->set); !done) return remember({done.error().text}, {});
  remember({}, reading->warnings);
  if (changed)
    log::info("generation accepted", {{"generation", set_.generation()},
                                      {"objects", set_.size()},
                                      {"from", source_.directory()}});
}

void Service::remember(std::vector<std::string> errors, std::vector<std::string> warnings) {
  if (errors != errors_) {
    for (size_t i = 0; i < errors.size() && i < kLoggedMax; ++i) log::error(errors[i]);
    if (errors.empty())
      log::notice("the directory is right again", {{"directory", source_.directory()}});
    else
      log::error("the directory is not accepted; the generation before stays",
                 {{"generation", set_.generation()}, {"problems", errors.size()}});
  }
  for (size_t i = 0; i < warnings.size() && i < kLoggedMax && warnings != warnings_; ++i)
    log::warning(warnings[i]);
  errors_ = std::move(errors);
  warnings_ = std::move(warnings);
  runtime_.status("generation " + set_.generation() + ", " + std::to_string(set_.size()) +
                  " objects" + (errors_.empty() ? "" : "; the directory is not accepted"));
}

Result<void> Service::commit(const config::ObjectSet& set) {
  if (!store_.history().empty() && identical(set, set_)) return {};
  MESH_TRY_VOID(store_.commit(set, runtime_.clock().wall()));
  set_ = set;
  publisher_.publish(set_);
  return {};
}

Result<void> Service::change(const config::Reading& before, const config::ObjectSet& to) {
  MESH_TRY_VOID(source_.edit(before, to));
  // What is committed is what the files say, with their places.
  auto after = source_.read();
  if (after && after->errors.empty() && after->set.generation() == to.generation()) {
    const auto done = commit(after->set);
    if (!done) source_.undo();
    if (done) remember({}, after->warnings);
    return done;
  }
  source_.undo();
  return Error{Errc::Internal, "the directory does not say what was written to it"};
}

Result<config::Reading> Service::base(v1::ChangeReply& reply) {
  MESH_TRY(auto reading, source_.read());
  if (!reading.errors.empty()) {
    add_problems(reply, {"the directory " + source_.directory() + " is wrong; mend it first:"},
                 false);
    add_problems(reply, reading.errors, false);
  }
  return reading;
}

Result<void> Service::expect_generation(const std::string& wanted) const {
  const std::string now = set_.generation();
  if (wanted.empty() || wanted == now) return {};
  return Error{Errc::Refused, "the generation is " + now + ", not " + wanted + " any more"};
}

Result<v1::ChangeReply> Service::apply(const v1::ApplyRequest& request, const bus::Peer& peer) {
  MESH_TRY_VOID(expect_generation(request.if_generation()));
  v1::ChangeReply reply;
  reply.set_generation(set_.generation());
  MESH_TRY(const config::Reading added, read_files(request.files()));
  add_problems(reply, added.errors, false);
  add_problems(reply, added.warnings, true);
  if (refused(reply)) return reply;
  MESH_TRY(const config::Reading before, base(reply));
  const config::ObjectSet to = merge(before.set, added.set, reply);
  check_whole(to, reply);
  if (refused(reply)) return reply;
  if (request.dry_run()) {
    reply.set_generation(to.generation());
    return reply;
  }
  MESH_TRY_VOID(change(before, to));
  reply.set_generation(set_.generation());
  log::info("applied",
            {{"generation", set_.generation()}, {"objects", added.set.size()}, {"uid", peer.uid}});
  return reply;
}

Result<v1::ChangeReply> Service::remove(const v1::DeleteRequest& request, const bus::Peer& peer) {
  MESH_TRY_VOID(expect_generation(request.if_generation()));
  v1::ChangeReply reply;
  reply.set_generation(set_.generation());
  MESH_TRY(const config::Reading before, base(reply));
  if (refused(reply)) return reply;
  config::ObjectSet to = before.set;
  for (const std::string& text : request.objects()) {
    MESH_TRY(const config::Name name, config::parse_name(text));
    add_change(reply, name, to.remove(name) ? v1::Change::DELETED : v1::Change::NOT_FOUND);
  }
  check_whole(to, reply);
  if (refused(reply)) return reply;
  if (request.dry_run()) {
    reply.set_generation(to.generation());
    return reply;
  }
  MESH_TRY_VOID(change(before, to));
  reply.set_generation(set_.generation());
  log::info(
      "deleted",
      {{"generation", set_.generation()}, {"objects", request.objects_size()}, {"uid", peer.uid}});
  return reply;
}

Result<v1::ChangeReply> Service::validate(const v1::ValidateRequest& request, const bus::Peer&) {
  v1::ChangeReply reply;
  reply.set_generation(set_.generation());
  MESH_TRY(const config::Reading added, read_files(request.files()));
  add_problems(reply, added.errors, false);
  add_problems(reply, added.warnings, true);
  if (refused(reply)) return reply;
  check_whole(merge(set_, added.set, reply), reply);
  refused(reply);
  return reply;
}

Result<v1::GetReply> Service::get(const v1::GetRequest& request, const bus::Peer&) {
  std::string kind;
  if (!request.kind().empty()) {
    MESH_TRY(const config::Kind* found, config::find_kind(request.kind()));
    kind = found->name;
  }
  v1::GetReply reply;
  reply.set_generation(set_.generation());
  size_t bytes = 0;
  for (const auto& [name, object] : set_.objects()) {
    if ((!kind.empty() && name.kind != kind) ||
        (!request.namespace_().empty() && name.ns != request.namespace_()) ||
        (!request.name().empty() && name.name != request.name()))
      continue;
    if (!request.after().empty()) {
      const auto after = config::parse_name(request.after());
      if (after && name <= *after) continue;
    }
    if (bytes > kPageBytesMax) {
      reply.set_next(config::to_string(config::name_of(reply.objects(reply.objects_size() - 1))));
      return reply;
    }
    bytes += object->ByteSizeLong();
    *reply.add_objects() = *object;
  }
  return reply;
}

Result<v1::StatusReply> Service::status(const v1::StatusRequest&, const bus::Peer&) {
  v1::StatusReply reply;
  if (!store_.history().empty()) {
    reply.set_generation(set_.generation());
    reply.set_accepted_unix_ms(store_.history().back().accepted_unix_ms);
  }
  reply.set_objects(uint32_t(set_.size()));
  reply.set_directory(source_.directory());
  reply.set_generations(uint32_t(store_.history().size()));
  reply.set_directory_accepted(errors_.empty());
  add_problems(reply, errors_, false);
  add_problems(reply, warnings_, true);
  return reply;
}

}  // namespace mesh::configd

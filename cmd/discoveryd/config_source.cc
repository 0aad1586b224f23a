#include "cmd/discoveryd/config_source.h"

#include "base/file.h"
#include "base/log.h"
#include "mesh/discovery_state.pb.h"

namespace mesh::discoveryd {
namespace {

using SavedObjects = mesh::discovery::state::v1::Objects;

constexpr const char* kObjectType = "type.googleapis.com/mesh.config.v1.Object";
constexpr size_t kStateBytesMax = 256U << 20;
constexpr size_t kObjectsMax = 100'000;

}  // namespace

ConfigSource::ConfigSource(bus::Client& client, std::string state_file, Changed changed)
    : client_(client), state_file_(std::move(state_file)), changed_(std::move(changed)) {}

void ConfigSource::start() {
  load();
  watch_ = client_.watch(kObjectType, {.id = "discoveryd"}, *this);
  for (const auto& [name, version] : versions_) watch_->already_have(name, version);
}

void ConfigSource::load() {
  const auto bytes = file::read(state_file_, kStateBytesMax);
  if (!bytes) {
    if (bytes.error().kind != Errc::NotFound)
      log::warning("the last configuration cannot be read", {{"error", bytes.error().text}});
    return;
  }
  SavedObjects saved;
  if (!saved.ParseFromString(*bytes) || saved.generation().empty()) {
    log::warning("the last configuration is not whole", {{"file", state_file_}});
    return;
  }
  generation_ = saved.generation();
  bodies_.insert(saved.bodies().begin(), saved.bodies().end());
  versions_.insert(saved.versions().begin(), saved.versions().end());
  from_disk_ = true;
  tell();
}

void ConfigSource::save() const {
  SavedObjects saved;
  saved.set_generation(generation_);
  for (const auto& [name, body] : bodies_) (*saved.mutable_bodies())[name] = body;
  for (const auto& [name, version] : versions_) (*saved.mutable_versions())[name] = version;
  const auto written = file::write(state_file_, saved.SerializeAsString(), 0600);
  if (!written)
    log::error("the configuration is served, but not kept for the next start",
               {{"error", written.error().text}});
}

Result<void> ConfigSource::on_update(const bus::Update& update,
                                     std::vector<bus::Rejection>& rejected) {
  for (const auto& resource : update.changed) {
    if (bodies_.size() >= kObjectsMax && bodies_.find(resource.name) == bodies_.end()) {
      rejected.push_back({std::string(resource.name), "over 100000 objects"});
      continue;
    }
    bodies_.insert_or_assign(std::string(resource.name), std::string(resource.body));
    versions_.insert_or_assign(std::string(resource.name), std::string(resource.version));
    changed_names_.emplace(resource.name);
  }
  for (const auto name : update.removed) {
    bodies_.erase(std::string(name));
    versions_.erase(std::string(name));
    changed_names_.emplace(name);
  }
  staged_ = update.generation.empty();
  if (staged_) return {};  // the rest is still on its way
  const bool same = generation_ == update.generation && changed_names_.empty();
  generation_ = update.generation;
  from_disk_ = false;
  if (!same) {
    tell();
    save();
  }
  watch_->in_force(generation_);
  return {};
}

void ConfigSource::on_link(bool up) {
  up_ = up;
  if (up)
    log::info("configd is there");
  else
    log::notice("configd is away; what it gave last is served", {{"generation", generation_}});
}

void ConfigSource::tell() {
  std::vector<std::string> problems;
  auto objects = std::make_shared<const discovery::Objects>(
      discovery::Objects::parse(generation_, bodies_, problems));
  changed_(std::move(objects), std::move(problems), std::exchange(changed_names_, {}));
}

}  // namespace mesh::discoveryd

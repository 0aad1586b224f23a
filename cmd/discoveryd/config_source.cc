#include "cmd/discoveryd/config_source.h"

#include "base/log.h"

namespace mesh::discoveryd {
namespace {

constexpr const char* kObjectType = "type.googleapis.com/mesh.config.v1.Object";
constexpr size_t kObjectsMax = 100'000;

}  // namespace

ConfigSource::ConfigSource(bus::Client& client, std::string state_file, Changed changed)
    : client_(client), journal_(std::move(state_file)), changed_(std::move(changed)) {}

void ConfigSource::start() {
  load();
  watch_ = client_.watch(kObjectType, {.id = "discoveryd"}, *this);
  for (const auto& [name, version] : versions_) watch_->already_have(name, version);
}

void ConfigSource::load() {
  const auto saved = journal_.load();
  if (!saved) {
    if (saved.error().kind != Errc::NotFound)
      log::warning("the last configuration cannot be read", {{"error", saved.error().text}});
    return;
  }
  generation_ = saved->generation();
  bodies_.insert(saved->bodies().begin(), saved->bodies().end());
  versions_.insert(saved->versions().begin(), saved->versions().end());
  for (const auto& [name, body] : bodies_) changed_names_.insert(name);
  from_disk_ = true;
  tell();
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
    const Names changed = tell();
    if (const auto kept = journal_.save(generation_, bodies_, versions_, changed); !kept)
      log::error("the configuration is served, but not kept for the next start",
                 {{"error", kept.error().text}});
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

ConfigSource::Names ConfigSource::tell() {
  Names changed = std::exchange(changed_names_, {});
  std::vector<std::string> problems;
  auto objects = std::make_shared<const discovery::Objects>(
      reader_.read(generation_, bodies_, changed, problems));
  changed_(std::move(objects), std::move(problems), changed);
  return changed;
}

}  // namespace mesh::discoveryd

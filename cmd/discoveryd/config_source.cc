#include "cmd/discoveryd/config_source.h"

#include "base/log.h"

namespace mesh::discoveryd {
namespace {

constexpr const char* kObjectType = "type.googleapis.com/mesh.config.v1.Object";
constexpr size_t kObjectsMax = 500'000;

}  // namespace

ConfigSource::ConfigSource(bus::Client& client, std::string state_file, Changed changed)
    : client_(client), journal_(std::move(state_file)), changed_(std::move(changed)) {}

void ConfigSource::start() {
  load();
  watch_ = client_.watch(kObjectType, {.id = "discoveryd"}, *this);
  for (const auto& [name, version] : staged_.versions) watch_->already_have(name, version);
  staged_ = {};
}

void ConfigSource::load() {
  auto saved = journal_.load();
  if (!saved) {
    if (saved.error().kind != Errc::NotFound)
      log::warning("the last configuration cannot be read", {{"error", saved.error().text}});
    return;
  }
  generation_ = saved->generation();
  for (auto& [name, body] : *saved->mutable_bodies()) {
    staged_.names.insert(name);
    staged_.bodies.emplace(name, std::move(body));
  }
  staged_.versions.insert(saved->versions().begin(), saved->versions().end());
  from_disk_ = true;
  tell();
}

Result<void> ConfigSource::on_update(const bus::Update& update,
                                     std::vector<bus::Rejection>& rejected) {
  for (const auto& resource : update.changed) {
    const std::string name(resource.name);
    if (!staged_.names.contains(name) && !reader_.has(name)) {
      if (reader_.size() + staged_.fresh >= kObjectsMax) {
        rejected.push_back({name, "over 500000 objects"});
        continue;
      }
      ++staged_.fresh;
    }
    staged_.names.insert(name);
    staged_.bodies.insert_or_assign(name, std::string(resource.body));
    staged_.versions.insert_or_assign(name, std::string(resource.version));
  }
  for (const auto removed : update.removed) {
    const std::string name(removed);
    staged_.names.insert(name);
    staged_.bodies.erase(name);
    staged_.versions.erase(name);
  }
  if (update.generation.empty()) return {};  // the rest is still on its way
  const bool same = generation_ == update.generation && staged_.names.empty();
  generation_ = update.generation;
  from_disk_ = false;
  if (!same) {
    tell();
    const auto kept = journal_.save(generation_, staged_.bodies, staged_.versions, staged_.names);
    if (!kept)
      log::error("the configuration is served, but not kept for the next start",
                 {{"error", kept.error().text}});
    staged_ = {};
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
      reader_.read(generation_, staged_.bodies, staged_.names, problems));
  changed_(std::move(objects), std::move(problems), staged_.names);
}

}  // namespace mesh::discoveryd

#include "cmd/configd/publisher.h"

#include "base/log.h"
#include "base/text.h"
#include "identity/digest.h"

namespace mesh::configd {

void Publisher::publish(const config::ObjectSet& set) {
  std::map<std::string, Body, std::less<>> bodies;
  for (const auto& [name, object] : set.objects()) {
    std::string bytes = config::canonical_bytes(*object);
    // Of the whole body: a moved line must reach those who quote it.
    std::string version = text::to_hex(identity::sha256(bytes)).substr(0, 16);
    bodies[config::to_string(name)] = {std::move(version),
                                       std::make_shared<const std::string>(std::move(bytes))};
  }
  bodies.swap(bodies_);
  generation_ = set.generation();
  for (bus::Watcher* const watcher : watchers_) {
    for (const auto& [name, body] : bodies)
      if (!bodies_.contains(name)) watcher->withdraw(name);
    offer_all(*watcher);
  }
}

Result<void> Publisher::on_open(bus::Watcher& watcher) {
  watchers_.insert(&watcher);
  return {};
}

void Publisher::offer_all(bus::Watcher& watcher) const {
  for (const auto& [name, body] : bodies_)
    if (watcher.wants(name)) watcher.offer(name, body.version, body.bytes);
  watcher.mark(generation_);
}

void Publisher::on_subscribe(bus::Watcher& watcher, const std::vector<std::string>& names) {
  if (generation_.empty()) return;
  for (const std::string& name : names)
    if (name != bus::kAll && !bodies_.contains(name)) watcher.withdraw(name);
  offer_all(watcher);
}

void Publisher::on_nack(bus::Watcher& watcher, std::string_view name, std::string_view,
                        std::string_view reason) {
  log::warning("an object was rejected",
               {{"by", watcher.node().id}, {"object", name}, {"why", reason}});
}

void Publisher::on_gone(bus::Watcher& watcher) { watchers_.erase(&watcher); }

}  // namespace mesh::configd

#include "cmd/configd/publisher.h"

#include "base/log.h"

namespace mesh::configd {
namespace {

// Of the whole body: a moved line must reach those who quote it.
void offer(bus::Watcher& watcher, const std::string& name, const config::ObjectRef& object) {
  if (watcher.wants(name)) watcher.offer(name, object.bytes_digest().substr(0, 16), object.bytes());
}

}  // namespace

void Publisher::publish(const config::ObjectSet& set) {
  if (!watchers_.empty())
    config::ObjectSet::compare(
        set_, set, [&](const config::Name& name, const auto&, const config::ObjectRef& object) {
          const std::string text = config::to_string(name);
          for (bus::Watcher* const watcher : watchers_) {
            if (object)
              offer(*watcher, text, object);
            else
              watcher->withdraw(text);
          }
        });
  set_ = set;
  generation_ = set.generation();
  for (bus::Watcher* const watcher : watchers_) watcher->mark(generation_);
}

Result<void> Publisher::on_open(bus::Watcher& watcher) {
  watchers_.insert(&watcher);
  return {};
}

void Publisher::on_subscribe(bus::Watcher& watcher, const std::vector<std::string>& names) {
  if (generation_.empty()) return;
  std::set<std::string_view> gone(names.begin(), names.end());
  gone.erase(bus::kAll);
  for (const auto& [name, object] : set_.objects()) {
    const std::string text = config::to_string(name);
    gone.erase(text);
    offer(watcher, text, object);
  }
  for (const std::string_view name : gone) watcher.withdraw(std::string(name));
  watcher.mark(generation_);
}

void Publisher::on_nack(bus::Watcher& watcher, std::string_view name, std::string_view,
                        std::string_view reason) {
  log::warning("an object was rejected",
               {{"by", watcher.node().id}, {"object", name}, {"why", reason}});
}

void Publisher::on_gone(bus::Watcher& watcher) { watchers_.erase(&watcher); }

}  // namespace mesh::configd

#include "config/object_set.h"

#include "base/text.h"
#include "identity/digest.h"

namespace mesh::config {

void ObjectSet::put(v1::Object object) {
  Name name = name_of(object);
  objects_[std::move(name)] = std::make_shared<const v1::Object>(std::move(object));
}

bool ObjectSet::remove(const Name& name) { return objects_.erase(name) > 0; }

const v1::Object* ObjectSet::find(const Name& name) const {
  const auto found = objects_.find(name);
  return found == objects_.end() ? nullptr : found->second.get();
}

ObjectSet::Ref ObjectSet::find_ref(const Name& name) const {
  const auto found = objects_.find(name);
  return found == objects_.end() ? nullptr : found->second;
}

size_t ObjectSet::bytes() const {
  size_t sum = 0;
  for (const auto& [name, object] : objects_) sum += object->ByteSizeLong();
  return sum;
}

std::string ObjectSet::generation() const {
  std::string lines;
  for (const auto& [name, object] : objects_)
    lines += to_string(name) + " " + digest(*object) + "\n";
  return text::to_hex(identity::sha256(lines)).substr(0, 12);
}

Diff diff(const ObjectSet& from, const ObjectSet& to) {
  Diff diff;
  for (const auto& [name, object] : to.objects()) {
    const v1::Object* before = from.find(name);
    if (before == nullptr)
      diff.created.push_back(name);
    else if (before != object.get() && digest(*before) != digest(*object))
      diff.configured.push_back(name);
  }
  for (const auto& [name, object] : from.objects())
    if (to.find(name) == nullptr) diff.deleted.push_back(name);
  return diff;
}

}  // namespace mesh::config

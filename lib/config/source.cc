#include "config/source.h"

namespace mesh::config {

ObjectSet of_source(const ObjectSet& objects, const std::string& source) {
  ObjectSet out;
  for (const auto& [name, object] : objects.objects()) {
    v1::Object mine = *object;
    mine.set_source(source);
    out.put(std::move(mine));
  }
  return out;
}

}  // namespace mesh::config

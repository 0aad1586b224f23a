// How far a change of configuration reaches.
#pragma once

#include <set>
#include <string>

#include "discovery/catalog.h"

namespace mesh::discovery {

struct Change {
  Extent extent;
  // Services or instances are other ones: the model is to be built anew. Else
  // Model::set_rules() does.
  bool rebuild = false;
};

// `changed`: the names (KIND/NAMESPACE/NAME) of what is different between the
// objects of `model` and `after`. What is not known to be local reaches everywhere.
Change change_of(const Model& model, const Objects& after,
                 const std::set<std::string, std::less<>>& changed);

// What more the new instances reach, once `after` is built of them.
void add_instances(const Model& after, const std::set<std::string, std::less<>>& changed,
                   Extent& extent);

}  // namespace mesh::discovery

// ObjectSet: the configuration as a whole, and its generation.
//
// A value; objects are shared as const. Any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/object.h"

namespace mesh::config {

class ObjectSet {
 public:
  using Ref = std::shared_ptr<const v1::Object>;

  // Puts the object in, in place of one of its name.
  void put(v1::Object object);
  // The same of an object that another set has, without a copy.
  void put(const Name& name, Ref object) { objects_[name] = std::move(object); }
  // False where there is none.
  bool remove(const Name& name);

  // Null where there is none.
  const v1::Object* find(const Name& name) const;
  Ref find_ref(const Name& name) const;
  const std::map<Name, Ref>& objects() const { return objects_; }
  size_t size() const { return objects_.size(); }
  size_t bytes() const;

  // A short digest of what the set means, the same wherever the same objects
  // are: 12 hexadecimal digits. File names, positions and order do not matter.
  std::string generation() const;

 private:
  std::map<Name, Ref> objects_;
};

// What it takes to come from one set to the other, by digest().
struct Diff {
  std::vector<Name> created;
  std::vector<Name> configured;
  std::vector<Name> deleted;
  bool empty() const { return created.empty() && configured.empty() && deleted.empty(); }
};
Diff diff(const ObjectSet& from, const ObjectSet& to);

// What objects say together: lines with their places, as Problems has them.
struct SetProblems {
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

// A subset that no DestinationRule has (of a route or a fallback), two
// VirtualServices for one host, two policies for one namespace are errors; a host
// that no ServiceEntry has is a warning, because services are registered too, and
// so is a policy that lacks what it works on. In the order of the objects.
SetProblems check_set(const ObjectSet& set);

}  // namespace mesh::config

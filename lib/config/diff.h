// Differences of objects, by object and field.
//
// Fields are compared as they are written (writer.h): a default that is spelled
// out is no difference. Items of lists are aligned, so that one put first does
// not change those behind it. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/object_set.h"
#include "config/writer.h"

namespace mesh::config {

// One place that differs. Paths are spec.http[0].timeout and the like; an item
// that is gone is counted in the list before, any other in the one after.
struct FieldDiff {
  std::string path;
  std::optional<Node> before;  // nothing: was not there
  std::optional<Node> after;   // nothing: is gone
};

std::vector<FieldDiff> diff_fields(const Node& before, const Node& after);

// What becomes of one object.
struct ObjectDiff {
  Name name;
  const v1::Object* before = nullptr;  // of the sets; null: created
  const v1::Object* after = nullptr;   // null: deleted
  std::vector<FieldDiff> fields;       // of one that is in both

  std::string_view what() const;  // created, configured, deleted
};

// In the order of the names. The sets outlive the result.
std::vector<ObjectDiff> diff_objects(const ObjectSet& from, const ObjectSet& to);

// For people and patch readers: two lines with the object and its places, then
// for each field "@@ PATH @@" and lines of YAML with "-" and "+".
std::string to_text(const ObjectDiff& diff);

// One line: {"object":,"what":,"fields":[{"path":,"before":,"after":}]}. Fields
// of a created or deleted object are its parts of the first level.
std::string to_json(const ObjectDiff& diff);

}  // namespace mesh::config

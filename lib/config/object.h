// Objects: configuration objects out of files, checked one by one.
//
// The envelope is Kubernetes': apiVersion, kind, metadata, spec; several
// documents a file, and `kind: List`. An object that is not quite right is not
// in the result, and everything wrong with it is in `problems`.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <vector>

#include "config/kinds.h"
#include "config/problems.h"
#include "mesh/config.pb.h"

namespace mesh::config {

// Longer texts would not fit where names go (resource names on the bus).
inline constexpr size_t kNameBytesMax = 253;

// Reads and validates (config/validate/) the objects of one file, adding them
// to `objects`. Problems are named by problems.file().
void read_objects(std::string_view text, Problems& problems, std::vector<v1::Object>& objects);

Name name_of(const v1::Object& object);

// The line and column of `path` ("spec.http[0]") or of what holds it.
Position find_position(const v1::Object& object, std::string_view path);

// The spec as T; of an object that read_objects() made, never fails.
template <class T>
T spec_of(const v1::Object& object) {
  T spec;
  object.spec().UnpackTo(&spec);
  return spec;
}

// Equal messages are equal bytes: map entries in the order of their keys.
std::string canonical_bytes(const google::protobuf::Message& message);

// SHA-256, hexadecimal, over what the object means: neither file nor positions.
std::string digest(const v1::Object& object);

}  // namespace mesh::config

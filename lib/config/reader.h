// Reader: YAML into any protobuf message, by reflection.
//
// The proto3 JSON mapping with positions: lowerCamelCase or snake_case names,
// durations ("1.5s", also "300ms", "1h30m" as Istio writes them), wrappers,
// enums by name, maps, oneofs, google.protobuf.Any by "@type", Struct. It is
// stricter than JSON: a number is not text, text is not a number (64-bit
// numbers may be quoted, as JSON prints them), unknown fields are errors with
// the nearest name, fields and enum values that mesh/options.proto names are
// refused with their hint. Nothing (`key:`) leaves a mapping or a list empty
// and is an error where a plain value is expected.
//
//   reviews.yaml:14:7: VirtualService default/reviews: spec.http[0].retries.attempts: expected a
//   whole number, got "many"
//
// All problems of a file are found, up to a bound. Pure but for the functions
// that name a path. Any thread.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "config/problems.h"
#include "config/yaml.h"

namespace mesh::config {

// Where each part stands: "spec.http[0]" and its place. Plain values are told
// from mappings and list items.
struct Place {
  std::string path;
  Position at;
  bool plain = false;
};
using Places = std::vector<Place>;

// Fills `out` from `node`; `path` is what messages call the node, `at` is
// where they say it stands (its key). What is wrong goes to `problems`; then
// `out` holds the rest. Positions of parts are added to `places` if given.
void fill(const Node& node, Position at, std::string path, google::protobuf::Message& out,
          Problems& problems, Places* places = nullptr);

// One document of YAML or JSON as `out`'s message; `file` is for messages. An
// empty text is a message without fields. On an error (Errc::Invalid, a line a
// problem) `out` is as it was. Fields are named, in errors and in `places` if
// given, as the text names them.
Result<void> read_text(std::string_view text, const std::string& file,
                       google::protobuf::Message& out, Places* places = nullptr);

// A daemon's settings file: read_text() of a file. Errc::NotFound and
// Errc::System where it cannot be read.
Result<void> read_settings(const std::string& path, google::protobuf::Message& out,
                           Places* places = nullptr);

// What a check says of such a message, told by where it stands: an error that
// begins with the path of a field by its declared names,
//
//   dns.listen: expected ADDRESS:PORT         becomes
//   discoveryd.yaml:4:8: dns.listen: expected ADDRESS:PORT
//
// with the field's place or that of what holds it, and the name that is written
// there. Errors about anything else stay as they are.
Error at_place(Error error, const std::string& file, const Places& places);

// What a check says of the message in `field`, as a check of the whole says it: "etcd" and
// "timeout: ..." are "etcd.timeout: ...".
Error in_field(std::string_view field, Error error);

}  // namespace mesh::config

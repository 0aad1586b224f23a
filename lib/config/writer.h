// Writer: objects and messages as YAML and JSON, in one form only.
//
// What is written is read back as the same message; equal messages are equal
// text. Fields in the order of their numbers, map keys sorted, defaults left
// out, durations as Istio writes them.
#pragma once

#include <string>

#include "config/yaml.h"
#include "mesh/config.pb.h"

namespace mesh::config {

// A message as a tree, by the proto3 JSON names.
Node to_node(const google::protobuf::Message& message);

// An object as the tree of its file: apiVersion, kind, metadata, spec.
Node to_node(const v1::Object& object);

// Block style, two blanks a level, ends in a newline.
std::string to_yaml(const Node& node);
// One line, without the newline.
std::string to_json(const Node& node);

}  // namespace mesh::config

// Yaml: a YAML or JSON text as a tree of nodes that know where they stand.
//
// YAML 1.2 as Kubernetes objects use it. Refused, because two readers could
// take it differently or because it can grow without bound: anchors and
// aliases, tags, keys that are not plain text, duplicate keys, invalid UTF-8,
// NUL and control bytes, tabs for indentation. JSON texts may follow one another, with
// nothing but white space between them. The only wrapper of libyaml.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/problems.h"

namespace mesh::config {

struct Limits {
  size_t bytes_max = 16U << 20;
  size_t depth_max = 64;
  size_t nodes_max = 1'000'000;  // of all documents together
  size_t documents_max = 10'000;
};

struct Entry;

struct Node {
  enum class Kind : uint8_t { Scalar, List, Mapping };

  Kind kind = Kind::Scalar;
  bool plain = false;  // a scalar without quotes: may be a number, true, null
  Position at;
  std::string text;            // of a scalar
  std::vector<Node> items;     // of a list
  std::vector<Entry> entries;  // of a mapping, in the order of the file

  // The value of a mapping's key, or null.
  const Node* find(std::string_view key) const;
  bool is_null() const;  // nothing, ~ or null
};

struct Entry {
  std::string key;
  Position at;  // of the key
  Node value;
};

// All documents of `text`, without empty ones. What is wrong goes to `problems`, and the
// document is left out; what comes after is read, unless it is no YAML or over a limit.
std::vector<Node> parse_yaml(std::string_view text, Problems& problems, const Limits& limits = {});

// What a plain scalar is in YAML's core schema, JSON's types.
enum class ScalarKind : uint8_t { Null, Bool, Number, String };
ScalarKind kind_of_plain(std::string_view text);

// What a message says it found: `"many"`, "a list", "a mapping", "nothing".
std::string describe(const Node& node);

}  // namespace mesh::config

// What the reader says of one object: for tables of what kinds may say.
#pragma once

#include <catch2/catch.hpp>
#include <span>
#include <string>
#include <vector>

#include "config/object.h"

namespace mesh::testing {

struct Saying {
  const char* because;
  std::string spec;  // the inside of `spec: {}`
  const char* want;  // lines after "KIND default/x: "; empty: accepted
};

// All that is said of the text, without what stands up to `mark`; empty when it is right.
inline std::string said(const std::string& text, const std::string& mark = "") {
  config::Problems problems("f.yaml");
  std::vector<config::v1::Object> objects;
  config::read_objects(text, problems, objects);
  std::string all;
  for (const std::string& line : problems.lines()) {
    const size_t at = line.find(mark);
    all += (all.empty() ? "" : "\n") +
           (at == std::string::npos ? line : line.substr(at + mark.size()));
  }
  return all;
}

inline std::string object_text(const std::string& api_version, const std::string& kind,
                               const std::string& spec, const std::string& metadata = "name: x") {
  return "apiVersion: " + api_version + "\nkind: " + kind + "\nmetadata: {" + metadata +
         "}\nspec: {" + spec + "}\n";
}

// All that is said of such an object, which is named x.
inline std::string said_of(const std::string& api_version, const std::string& kind,
                           const std::string& spec, const std::string& metadata = "name: x") {
  return said(object_text(api_version, kind, spec, metadata), kind + " default/x: ");
}

inline void check_sayings(const std::string& api_version, const std::string& kind,
                          std::span<const Saying> rows) {
  for (const Saying& row : rows) DYNAMIC_SECTION(kind << ": " << row.because) {
      CHECK(said_of(api_version, kind, row.spec) == row.want);
    }
}

}  // namespace mesh::testing

// Explain: what a field of a kind is, out of the comments of the kinds' messages, which
// are their contract, and out of what mesh/options.proto says is refused.
//
// Pure. Any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/kinds.h"

namespace mesh::config {

class Handbook {
 public:
  // `descriptors` is a serialized google.protobuf.FileDescriptorSet with source information
  // and imports. Errc::Invalid where it is none.
  static Result<Handbook> read(std::string_view descriptors);
  Handbook(Handbook&&) noexcept;
  Handbook& operator=(Handbook&&) noexcept;
  ~Handbook();

  // A field of a mapping, or a value of a name.
  struct Part {
    std::string name;
    std::string type;     // of a field
    std::string meaning;  // empty where nothing is written of it
    std::string refused;  // what to use instead; empty: supported
  };
  struct Answer {
    std::string kind, api_version, short_name;
    std::string field;  // "spec.http.retries"; empty: the kind as a whole
    std::string type, default_value, unit, meaning;
    std::vector<std::string> excludes;  // fields that cannot be given beside it
    std::string refused;                // not supported, and what to use instead
    std::vector<Part> fields;
    std::vector<Part> values;
  };
  // `path` is "spec.http.retries", "http[0].retries", or empty for the kind as a whole; names
  // in either form. Errc::NotFound with the nearest name.
  Result<Answer> explain(const Kind& kind, std::string_view path) const;

  // A field, however deep.
  struct Field {
    std::string path;     // spec.http[].retries.attempts
    std::string type;     // "whole number"; empty where it is refused
    std::string refused;  // what it is and what to use instead
  };
  // All of the kind, in the order they are declared; a message within itself is not entered.
  Result<std::vector<Field>> fields(const Kind& kind) const;

 private:
  struct Impl;
  explicit Handbook(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// For people: lines within 80 columns.
std::string to_text(const Handbook::Answer& answer);
// One line, an object; what is not there has no key.
std::string to_json(const Handbook::Answer& answer);

}  // namespace mesh::config

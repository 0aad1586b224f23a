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

  struct Answer {
    std::string text;  // lines within 80 columns
    bool supported = true;
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

}  // namespace mesh::config

// SetStream: cuts what a program prints into sets of documents.
//
// A line "# end of set" ends a set; to YAML it is a comment. What stands before
// it, since the end before, is the set. configd(8), "SOURCES". Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mesh::config {

class SetStream {
 public:
  explicit SetStream(size_t bytes_max) : bytes_max_(bytes_max) {}

  // The sets that are complete with these bytes, in order. Errc::TooBig when one
  // grows over the limit: the stream is of no use then.
  Result<std::vector<std::string>> add(std::string_view bytes);

  // A set is begun and not ended.
  bool begun() const { return !set_.empty() || !line_.empty(); }
  void clear();

 private:
  const size_t bytes_max_;
  std::string set_;   // whole lines
  std::string line_;  // the beginning of the next
};

}  // namespace mesh::config

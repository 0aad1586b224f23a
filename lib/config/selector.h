// Selector: labels that objects must have, as people write them on a command line.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "mesh/config.pb.h"

namespace mesh::config {

class Selector {
 public:
  // "owner=shop", "owner=shop,tier=web" (all of them), at most 32. Errc::Invalid:
  // empty, no "=", an empty key, a key twice.
  static Result<Selector> parse(std::string_view text);

  bool matches(const v1::Object& object) const;

 private:
  std::map<std::string, std::string, std::less<>> labels_;
};

}  // namespace mesh::config

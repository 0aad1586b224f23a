// The files that `-f` and arguments name.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace mesh::cmd {

struct InputFile {
  std::string name;  // as given; "stdin" for "-"; DIR/NAME for a file of a directory
  std::string text;
};

// Each path is a file, a directory (its .yaml, .yml and .json files, in the
// order of their names), or "-". Errc::NotFound, Errc::TooBig (4 MiB a file),
// Errc::Invalid for a directory without such files or "-" twice.
Result<std::vector<InputFile>> read_inputs(std::span<const std::string> paths);

}  // namespace mesh::cmd

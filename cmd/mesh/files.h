// The files that `-f` and arguments name.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "mesh/configd.pb.h"

namespace mesh::cmd {

struct InputFile {
  std::string name;  // as given; "stdin" for "-"; DIR/NAME for a file of a directory
  std::string text;
};

// Each path is a file, a directory (its .yaml, .yml and .json files, in the
// order of their names), or "-". Errc::NotFound, Errc::TooBig (4 MiB a file),
// Errc::Invalid for a directory without such files or "-" twice.
Result<std::vector<InputFile>> read_inputs(std::span<const std::string> paths);

// Adds them to a request of configd's. Errc::Invalid, "FILE:LINE:COLUMN: not UTF-8"
// a line, where a message cannot hold one.
Result<void> add_files(const std::vector<InputFile>& files,
                       google::protobuf::RepeatedPtrField<configd::v1::File>& to);

}  // namespace mesh::cmd

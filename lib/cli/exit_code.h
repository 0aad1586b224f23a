// Exit statuses: the same in every program of the mesh.
//
// The numbers are those of sysexits(3) where it has a fitting one. They are
// listed in mesh(1) and by `mesh help exit`, both from describe().
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace mesh::cli {

enum class Exit : int {
  Done = 0,            // done, or already so, or yes
  No = 1,              // the answer is no: invalid, different, denied, not found
  Usage = 64,          // wrong command line
  Unavailable = 69,    // the daemon asked is not there
  Fault = 70,          // a fault of ours
  OutputLost = 74,     // what was printed could not be written
  Deadline = 75,       // the deadline passed
  NotAllowed = 77,     // this user may not
  WrongSettings = 78,  // a settings file is wrong
};

struct ExitMeaning {
  Exit status;
  std::string_view name;     // one word: "done", "usage", ...
  std::string_view meaning;  // one sentence, no full stop
};

// All of them, in the order of their numbers.
std::span<const ExitMeaning> exit_meanings();

std::string_view describe(Exit status);

// What a command that failed with `kind` exits with: the caller did right and
// the world said no. (Unavailable here means that a daemon did not answer.)
Exit exit_for(Errc kind);

}  // namespace mesh::cli

// What a command that failed exits with: mesh(1), "EXIT STATUS".

#include "cli/command.h"

#include <catch2/catch.hpp>

using namespace mesh;
using cli::Exit;

TEST_CASE("command: an error is an exit status", "[cli]") {
  struct Row {
    Error error;
    Exit here;
    Exit there;
  };
  const Row rows[] = {
      {{Errc::System, "open x: Permission denied"}, Exit::NotAllowed, Exit::No},
      {{Errc::System, "chown x: Operation not permitted"}, Exit::NotAllowed, Exit::No},
      {{Errc::System, "write x: No space left on device"}, Exit::No, Exit::No},
      {{Errc::NotFound, "x: No such file or directory"}, Exit::No, Exit::No},
      {{Errc::Refused, "uid 1 may not call"}, Exit::NotAllowed, Exit::NotAllowed},
      {{Errc::Timeout, "late"}, Exit::Deadline, Exit::Deadline},
  };
  cli::Context context;
  CHECK(context.fail_named({Errc::NotFound, "unknown kind \"x\""}) == Exit::No);
  CHECK(context.fail_named({Errc::Invalid, "expected KIND/NAMESPACE/NAME"}) == Exit::Usage);
  context.command = "test";
  for (const Row& row : rows) {
    CAPTURE(row.error.text);
    CHECK(context.fail_here(row.error) == row.here);
    CHECK(context.fail(row.error) == row.there);
  }
}

#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/in_force.h"
#include "mesh/configd.pb.h"

namespace mesh::cmd {
namespace {

using cli::Exit;

Exit run(cli::Context& context) {
  const Instant began = std::chrono::steady_clock::now();
  const auto words = context.arguments.words();
  if (!words.empty()) return wait_in_force(context, words[0], began);
  const auto status =
      ask<configd::v1::StatusReply>(context, "configd", configd::v1::StatusRequest());
  if (!status) return context.fail(status.error());
  if (status->generation().empty())
    return context.fail(Exit::No, "configd has accepted nothing yet");
  return wait_in_force(context, status->generation(), began);
}

}  // namespace

cli::Command wait_command() {
  return {.name = "wait",
          .summary = "wait until a generation is in force at every forwarder",
          .words = "[GENERATION]",
          .words_max = 1,
          .example = "mesh wait --timeout 10s",
          .more =
              "Without GENERATION: the one that configd has accepted last.\n"
              "A wait that fails names who lags, and why.",
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

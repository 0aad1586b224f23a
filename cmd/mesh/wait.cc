#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/in_force.h"
#include "config/store.h"
#include "mesh/configd.pb.h"

namespace mesh::cmd {
namespace {

using cli::Exit;

// "@N" and "@-1" are names of configd's history; digits are told to discoveryd as
// they are, so that a wait needs configd for the former only.
Result<std::string> full_name(const cli::Context& context, const std::string& name) {
  if (!name.starts_with('@')) {
    MESH_TRY_VOID(config::check_digits(name));
    return name;
  }
  configd::v1::GetRequest request;
  request.set_generation(name);
  request.set_namespace_("-");  // no objects
  MESH_TRY(const auto reply, ask<configd::v1::GetReply>(context, "configd", request));
  return reply.generation();
}

Exit run(cli::Context& context) {
  const Instant began = std::chrono::steady_clock::now();
  const auto words = context.arguments.words();
  if (!words.empty()) {
    const auto generation = full_name(context, words[0]);
    if (!generation) return context.fail(generation.error());
    return wait_in_force(context, *generation, began);
  }
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
          .words = "[GEN]",
          .words_max = 1,
          .example = "mesh wait --timeout 10s",
          .more =
              "GEN is a generation (four digits at least), @N or @-1, see mesh history.\n"
              "Without it: the one that configd has accepted last. A wait that fails names\n"
              "who lags or has refused what, and why, with file and line. What is refused is\n"
              "not waited for, nor is a forwarder that discoveryd refuses: exit status 1.\n",
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

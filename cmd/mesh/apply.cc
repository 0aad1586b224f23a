#include "cmd/mesh/change.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/files.h"
#include "config/selector.h"

namespace mesh::cmd {
namespace {

constexpr Duration kTrialMax = std::chrono::hours(24 * 7);

cli::Exit run(cli::Context& context) {
  const Instant since = SystemClock().now();
  if (!context.arguments.has("--file"))
    return context.fail(cli::Exit::Usage, "expected -f FILE, -f DIR or -f -");
  const auto files = read_inputs(context.arguments.all("--file"));
  if (!files) return context.fail_here(files.error());
  configd::v1::ApplyRequest request;
  request.set_dry_run(context.arguments.has("--dry-run"));
  request.set_want_objects(request.dry_run());
  const bool selects = context.arguments.has("--selector");
  if (context.arguments.has("--prune") != selects)
    return context.fail(cli::Exit::Usage, "--prune and -l LABEL=VALUE go together");
  if (selects) {
    const std::string selector = context.arguments.get("--selector");
    if (auto right = config::Selector::parse(selector); !right)
      return context.fail(cli::Exit::Usage, "-l: " + right.error().text);
    request.set_prune_selector(selector);
  }
  if (context.arguments.has("--for")) {
    const auto trial = context.arguments.duration("--for", {});
    if (!trial || *trial < std::chrono::seconds(1) || *trial > kTrialMax)
      return context.fail(cli::Exit::Usage, "--for: expected 1s to 168h, such as 10m");
    request.set_trial_ms(
        uint64_t(std::chrono::duration_cast<std::chrono::milliseconds>(*trial).count()));
  }
  if (auto added = add_files(*files, *request.mutable_files()); !added)
    return context.fail(added.error());
  return change(context, request, since);
}

}  // namespace

cli::Command apply_command() {
  return {
      .name = "apply",
      .summary = "take objects into the configuration, all or none",
      .example = "mesh apply -f reviews.yaml --wait",
      .more =
          "Prints \"KIND/NAMESPACE/NAME created|configured|unchanged\" for each object,\n"
          "then the generation. With --wait it returns when every forwarder reports\n"
          "the generation in force, and says how long that took; a wait that fails names\n"
          "who lags or has refused what, and why. --dry-run says what would change in\n"
          "objects, and in each forwarder's resources.\n",
      .options = {{"-f,--file", "FILE", "a file, a directory, or - for stdin; may be repeated"},
                  {"--prune", "", "delete what -l selects and FILE has not"},
                  {"-l,--selector", "K=V", "labels, with commas: all of them"},
                  {"--for", "DURATION", "take it back after so long, unless mesh confirm GEN"},
                  {"--dry-run", "", "say what would change, and change nothing"},
                  {"--wait", "", "until every forwarder has it in force"}},
      .waiting = true,
      .exits = {cli::Exit::No, cli::Exit::Unavailable, cli::Exit::Deadline, cli::Exit::NotAllowed},
      .run = run};
}

}  // namespace mesh::cmd

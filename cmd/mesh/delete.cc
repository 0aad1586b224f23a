#include "cmd/mesh/change.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/files.h"
#include "config/directory.h"

namespace mesh::cmd {
namespace {

// The names of the objects in these files; their shape must be right.
Result<void> add_names(std::span<const std::string> paths, configd::v1::DeleteRequest& request) {
  MESH_TRY(const auto files, read_inputs(paths));
  config::Reading reading;
  for (const InputFile& file : files) config::read_into(reading, file.name, file.text);
  if (!reading.errors.empty()) return Error{Errc::Invalid, reading.errors.front()};
  for (const auto& [name, object] : reading.set.objects())
    request.add_objects(config::to_string(name));
  return {};
}

cli::Exit run(cli::Context& context) {
  const Instant since = SystemClock().now();
  configd::v1::DeleteRequest request;
  request.set_dry_run(context.arguments.has("--dry-run"));
  for (const std::string& word : context.arguments.words()) {
    const auto name = config::parse_name(word);
    if (!name) return context.fail_named(name.error());
    request.add_objects(config::to_string(*name));
  }
  if (context.arguments.has("--file"))
    if (auto added = add_names(context.arguments.all("--file"), request); !added)
      return context.fail_here(added.error());
  if (request.objects().empty())
    return context.fail(cli::Exit::Usage, "expected KIND/NAMESPACE/NAME... or -f FILE");
  return change(context, request, since);
}

}  // namespace

cli::Command delete_command() {
  return {
      .name = "delete",
      .summary = "take objects out of the configuration, all or none",
      .words = "[KIND/NAMESPACE/NAME...]",
      .words_max = 10'000,
      .example = "mesh delete vs/default/reviews --wait",
      .more =
          "What is not there is \"unchanged\". Kinds in any case, and short: vs, dr, se,\n"
          "we, sc, pa.\n",
      .options = {{"-f,--file", "FILE", "the objects of a file, a directory, or - for stdin"},
                  {"--dry-run", "", "say what would change, and change nothing"},
                  {"--wait", "", "until every forwarder has it in force"}},
      .waiting = true,
      .exits = {cli::Exit::No, cli::Exit::Unavailable, cli::Exit::Deadline, cli::Exit::NotAllowed},
      .run = run};
}

}  // namespace mesh::cmd

// mesh diff: files against what is accepted, or two generations.

#include "config/diff.h"
#include "base/text.h"
#include "cli/table.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/files.h"
#include "cmd/mesh/objects.h"
#include "config/directory.h"
#include "config/selector.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using config::ObjectSet;

struct Sides {
  ObjectSet from;
  ObjectSet to;
};

// The accepted set, and the same with the objects of the files in it.
Result<Sides> against_files(const cli::Context& context) {
  MESH_TRY(const auto files, read_inputs(context.arguments.all("--file")));
  config::Reading reading;
  for (const InputFile& file : files) config::read_into(reading, file.name, file.text);
  if (!reading.errors.empty()) return Error{Errc::Invalid, text::join(reading.errors, "\n")};
  MESH_TRY(Fetched live, fetch_set(context, ""));
  Sides sides{live.set, live.set};
  if (context.arguments.has("--selector")) {
    MESH_TRY(const auto selector, config::Selector::parse(context.arguments.get("--selector")));
    for (const auto& [name, object] : live.set.objects())
      if (selector.matches(*object)) sides.to.remove(name);
  }
  for (const auto& [name, object] : reading.set.objects()) sides.to.put(name, object);
  return sides;
}

Result<Sides> of_generations(const cli::Context& context) {
  const auto words = context.arguments.words();
  MESH_TRY(Fetched from, fetch_set(context, words[0]));
  MESH_TRY(Fetched to, fetch_set(context, words.size() > 1 ? words[1] : std::string()));
  return Sides{std::move(from.set), std::move(to.set)};
}

void print(const cli::Context& context, const std::vector<config::ObjectDiff>& diffs) {
  if (context.format == cli::Format::Table || context.format == cli::Format::Wide) {
    std::string text;
    for (const auto& diff : diffs) text += config::to_text(diff);
    return cli::print(stdout, text);
  }
  cli::Table table({{"OBJECT"}, {"WHAT"}});
  for (const auto& diff : diffs)
    table.add({config::to_string(diff.name), std::string(diff.what())},
              config::to_string(diff.name), config::to_json(diff));
  table.print(context.format);
}

Exit run(cli::Context& context) {
  const bool files = context.arguments.has("--file");
  if (files == !context.arguments.words().empty())
    return context.fail(Exit::Usage, "expected -f FILE, or GEN, or GEN GEN");
  if (context.arguments.has("--selector") && !files)
    return context.fail(Exit::Usage, "-l goes with -f: objects with the labels that FILE lacks");
  const auto sides = files ? against_files(context) : of_generations(context);
  if (!sides) return files ? context.fail_here(sides.error()) : context.fail(sides.error());
  const auto diffs = config::diff_objects(sides->from, sides->to);
  print(context, diffs);
  if (diffs.empty()) context.say("no difference");
  return diffs.empty() ? Exit::Done : Exit::No;
}

}  // namespace

cli::Command diff_command() {
  return {.name = "diff",
          .summary = "what files would change, or what differs between generations",
          .words = "[GEN [GEN]]",
          .words_max = 2,
          .example = "mesh diff -f reviews.yaml",
          .more =
              "With -f: the accepted objects against those of the files. GEN is a generation\n"
              "(its first digits, @N or @-1, see mesh history), against the present one or a\n"
              "second GEN. For each object the lines that go and come, field by field.\n"
              "Exit status 0 where nothing differs, 1 where something does.\n",
          .options = {{"-f,--file", "FILE", "a file, a directory, or - for stdin; may be repeated"},
                      {"-l,--selector", "K=V", "as apply --prune -l: what FILE lacks is deleted"}},
          .reading = true,
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

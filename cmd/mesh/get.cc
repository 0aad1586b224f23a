#include <algorithm>

#include "base/text.h"
#include "cli/table.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/objects.h"
#include "config/object.h"
#include "config/writer.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using config::v1::Object;

// KIND, KIND/NAME with -n, KIND/NAMESPACE/NAME, or nothing for all.
Result<configd::v1::GetRequest> make_request(const cli::Context& context) {
  configd::v1::GetRequest request;
  request.set_namespace_(context.arguments.get("--namespace"));
  request.set_generation(context.arguments.get("--generation"));
  if (context.arguments.words().empty()) return request;
  const std::string& word = context.arguments.words()[0];
  if (word.find('/') == std::string::npos) {
    MESH_TRY(const config::Kind* kind, config::find_kind(word));
    request.set_kind(std::string(kind->name));
    return request;
  }
  MESH_TRY(const config::Name name, config::parse_name(word));
  request.set_kind(name.kind);
  if (request.namespace_().empty() || std::count(word.begin(), word.end(), '/') == 2)
    request.set_namespace_(name.ns);
  request.set_name(name.name);
  return request;
}

void print_objects(const cli::Context& context, const std::vector<Object>& objects) {
  if (context.format == cli::Format::Yaml) {
    std::string text;
    for (const Object& object : objects)
      text += (text.empty() ? "" : "---\n") + config::to_yaml(config::to_node(object));
    return cli::print(stdout, text);
  }
  cli::Table table({{"KIND"}, {"NAMESPACE"}, {"NAME"}, {"PLACE", true}});
  for (const Object& object : objects)
    table.add({object.kind(), object.namespace_(), object.name(),
               config::to_string(object.file(), config::find_position(object, ""))},
              config::to_string(config::name_of(object)), config::to_json(config::to_node(object)));
  table.print(context.format);
}

Exit run(cli::Context& context) {
  const auto request = make_request(context);
  if (!request) return context.fail_named(request.error());
  const auto objects = fetch_objects(context, *request);
  if (!objects) return context.fail(objects.error());
  if (objects->empty() && !request->name().empty())
    return context.fail(
        Exit::No, "no " + request->kind() + " " + request->namespace_() + "/" + request->name());
  print_objects(context, *objects);
  return Exit::Done;
}

}  // namespace

cli::Command get_command() {
  return {.name = "get",
          .summary = "show the objects of the accepted configuration",
          .words = "[KIND[/NAMESPACE/NAME]]",
          .words_max = 1,
          .example = "mesh get vs/default/reviews -o yaml",
          .more =
              "Kinds in any case, and short: vs, dr, se, we, sc, pa. -o yaml can be edited\n"
              "and applied again.\n",
          .options = {{"-n,--namespace", "NAMESPACE", "of this namespace only"},
                      {"--generation", "GEN", "as an earlier generation has them; also @N, @-1"}},
          .reading = true,
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

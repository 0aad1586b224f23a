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

struct Asked {
  std::string kind;  // empty: all
  std::string ns;    // empty: all
  std::string name;  // empty: all
};

bool is_asked(const Asked& asked, const Object& object) {
  return (asked.kind.empty() || asked.kind == object.kind()) &&
         (asked.ns.empty() || asked.ns == object.namespace_()) &&
         (asked.name.empty() || asked.name == object.name());
}

std::string to_string(const Asked& asked) {
  return asked.kind + " " + (asked.ns.empty() ? "" : asked.ns + "/") + asked.name;
}

// Nothing, KIND, KIND NAME..., or KIND/NAMESPACE/NAME..., of which KIND/NAME is of `ns`.
Result<std::vector<Asked>> parse_words(std::span<const std::string> words, const std::string& ns) {
  std::vector<Asked> asked;
  if (words.empty()) return std::vector<Asked>{{.kind = {}, .ns = ns, .name = {}}};
  if (words[0].find('/') == std::string::npos) {
    MESH_TRY(const config::Kind* const kind, config::find_kind(words[0]));
    for (const std::string& word : words.subspan(1)) {
      if (word.empty() || word.find('/') != std::string::npos)
        return Error{Errc::Invalid, "expected a name of a " + std::string(kind->name) + ", got " +
                                        text::quoted(word) +
                                        "; KIND/NAMESPACE/NAME stands without a kind before it"};
      asked.push_back({std::string(kind->name), ns, word});
    }
    if (asked.empty()) asked.push_back({std::string(kind->name), ns, {}});
    return asked;
  }
  for (const std::string& word : words) {
    MESH_TRY(config::Name name, config::parse_name(word));
    const bool short_form = std::count(word.begin(), word.end(), '/') == 1;
    asked.push_back({std::move(name.kind), short_form && !ns.empty() ? ns : std::move(name.ns),
                     std::move(name.name)});
  }
  return asked;
}

// One request, so that all are of one generation: for more than is asked where that is several.
configd::v1::GetRequest request_for(const std::vector<Asked>& asked,
                                    const std::string& generation) {
  configd::v1::GetRequest request;
  request.set_generation(generation);
  const auto same = [&](auto field) {
    return std::all_of(asked.begin(), asked.end(),
                       [&](const Asked& one) { return one.*field == asked[0].*field; });
  };
  if (same(&Asked::kind)) request.set_kind(asked[0].kind);
  if (same(&Asked::ns)) request.set_namespace_(asked[0].ns);
  if (same(&Asked::name)) request.set_name(asked[0].name);
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
  const auto asked = parse_words(context.arguments.words(), context.arguments.get("--namespace"));
  if (!asked) return context.fail_named(asked.error());
  const auto all =
      fetch_objects(context, request_for(*asked, context.arguments.get("--generation")));
  if (!all) return context.fail(all.error());
  Exit status = Exit::Done;
  std::vector<Object> objects;
  for (const Asked& one : *asked) {
    const size_t before = objects.size();
    std::copy_if(all->begin(), all->end(), std::back_inserter(objects),
                 [&](const Object& object) { return is_asked(one, object); });
    if (objects.size() == before && !one.name.empty())
      status = context.fail(Exit::No, "no " + to_string(one));
  }
  if (!objects.empty() || status == Exit::Done) print_objects(context, objects);
  return status;
}

}  // namespace

cli::Command get_command() {
  return {.name = "get",
          .summary = "show the objects of the accepted configuration",
          .words = "[KIND [NAME...] | KIND/NAMESPACE/NAME...]",
          .words_max = 10'000,
          .example = "mesh get vs/default/reviews -o yaml",
          .more =
              "Kinds in any case, and short: vs, dr, se, we, sc, pa. KIND NAME is in any\n"
              "namespace, or that of -n; KIND/NAME in that of -n, or default. What is not\n"
              "there is named, and the rest printed. -o yaml can be edited and applied again.\n",
          .options = {{"-n,--namespace", "NAMESPACE", "of this namespace only"},
                      {"--generation", "GEN", "as an earlier generation has them; also @N, @-1"}},
          .reading = true,
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

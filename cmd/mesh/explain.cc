#include "config/explain.h"
#include "cmd/mesh/commands.h"

namespace mesh::cmd {
namespace {

using cli::Exit;

// The kinds' messages with their comments; made by the Makefile.
constexpr unsigned char kDescriptors[] = {
#include "kinds_descriptors.h"
};

// One thing: as a table says it, as JSON, or by its name.
struct Line {
  std::string text;
  std::string json;
  std::string name;
};

Exit print(const cli::Context& context, const std::vector<Line>& lines) {
  std::string out;
  for (const Line& line : lines) {
    switch (context.format) {
      case cli::Format::Json: out += line.json + "\n"; break;
      case cli::Format::Name: out += line.name + "\n"; break;
      case cli::Format::Yaml: {
        const auto yaml = cli::json_to_yaml(line.json);
        if (!yaml) return context.fail(yaml.error());
        out += (out.empty() ? "" : "---\n") + *yaml;
        break;
      }
      default: out += line.text;
    }
  }
  cli::print(stdout, out);
  return Exit::Done;
}

Exit print_fields(const cli::Context& context, const config::Handbook& book,
                  const config::Kind& kind) {
  const auto fields = book.fields(kind);
  if (!fields) return context.fail(fields.error());
  std::vector<Line> lines;
  for (const auto& field : *fields) {
    const bool refused = !field.refused.empty();
    lines.push_back(
        {field.path + "  " + (refused ? "refused: " + field.refused : field.type) + "\n",
         "{\"field\":" + cli::json_string(field.path) +
             (refused ? ",\"refused\":" + cli::json_string(field.refused)
                      : ",\"type\":" + cli::json_string(field.type)) +
             "}",
         field.path});
  }
  return print(context, lines);
}

Exit print_kinds(const cli::Context& context) {
  std::vector<Line> lines;
  for (const config::Kind& kind : config::kinds()) {
    const std::string name(kind.name), short_name(kind.short_name);
    lines.push_back({name + " " + short_name + " " + api_version(kind) + "\n",
                     "{\"kind\":" + cli::json_string(name) +
                         ",\"shortName\":" + cli::json_string(short_name) +
                         ",\"apiVersion\":" + cli::json_string(api_version(kind)) + "}",
                     name});
  }
  return print(context, lines);
}

Exit run(cli::Context& context) {
  if (context.arguments.words().empty()) return print_kinds(context);
  const std::string& word = context.arguments.words()[0];
  const size_t dot = word.find('.');
  const auto kind = config::find_kind(word.substr(0, dot));
  if (!kind) return context.fail(kind.error());
  const auto book =
      config::Handbook::read({reinterpret_cast<const char*>(kDescriptors), sizeof kDescriptors});
  if (!book) return context.fail(Exit::Fault, book.error().text);
  if (context.arguments.has("--fields")) return print_fields(context, *book, **kind);
  const auto answer =
      book->explain(**kind, dot == std::string::npos ? std::string() : word.substr(dot + 1));
  if (!answer) return context.fail(answer.error());
  const std::string name = answer->kind + (answer->field.empty() ? "" : "." + answer->field);
  const Exit printed = print(context, {{config::to_text(*answer), config::to_json(*answer), name}});
  if (printed != Exit::Done) return printed;
  return answer->refused.empty() ? Exit::Done : Exit::No;
}

}  // namespace

cli::Command explain_command() {
  return {.name = "explain",
          .summary = "say what a kind or a field is, its type, default and unit",
          .words = "[KIND[.FIELD...]]",
          .words_max = 1,
          .example = "mesh explain vs.http.retries.attempts",
          .more =
              "Says of a field that is not supported what to use instead, and exits 1.\n"
              "Without a kind it lists all: name, short name, version. Asks no daemon.\n",
          .options = {{"--fields", "", "list all fields of the kind, those refused too"}},
          .reading = true,
          .exits = {Exit::No},
          .run = run};
}

}  // namespace mesh::cmd

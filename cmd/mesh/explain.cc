#include "config/explain.h"
#include "cmd/mesh/commands.h"

namespace mesh::cmd {
namespace {

using cli::Exit;

// The kinds' messages with their comments; made by the Makefile.
constexpr unsigned char kDescriptors[] = {
#include "kinds_descriptors.h"
};

Exit print_fields(const cli::Context& context, const config::Handbook& book,
                  const config::Kind& kind) {
  const auto fields = book.fields(kind);
  if (!fields) return context.fail(fields.error());
  std::string lines;
  for (const auto& field : *fields)
    lines += field.path + "  " +
             (field.refused.empty() ? field.type : "refused: " + field.refused) + "\n";
  cli::print(stdout, lines);
  return Exit::Done;
}

Exit print_kinds() {
  std::string lines;
  for (const config::Kind& kind : config::kinds())
    lines += std::string(kind.name) + " " + std::string(kind.short_name) + " " + api_version(kind) +
             "\n";
  cli::print(stdout, lines);
  return Exit::Done;
}

Exit run(cli::Context& context) {
  if (context.arguments.words().empty()) return print_kinds();
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
  cli::print(stdout, answer->text);
  return answer->supported ? Exit::Done : Exit::No;
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
          .exits = {Exit::No},
          .run = run};
}

}  // namespace mesh::cmd

#include <unistd.h>

#include "base/text.h"
#include "cli/table.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/files.h"
#include "cmd/mesh/objects.h"
#include "config/analyze/analyze.h"
#include "config/directory.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using config::Finding;
using config::Severity;

const config::Rule* rule_of(std::string_view code) {
  for (const config::Rule& rule : config::rules())
    if (rule.code == code) return &rule;
  return nullptr;
}

std::string_view word(Severity severity) {
  return severity == Severity::Error ? "error" : "warning";
}

// A line of the reader, "FILE:LINE:COLUMN: ...", as a finding.
Finding from_reader(const std::string& file, std::string_view line, std::string_view code) {
  Finding finding;
  finding.rule = rule_of(code);
  finding.file = file;
  line.remove_prefix(std::min(line.size(), file.size()));
  const auto number = [&](uint32_t& into) {
    const size_t end = line.find(':', 1);
    if (end == std::string_view::npos) return false;
    const auto value = text::parse_uint(line.substr(1, end - 1), UINT32_MAX);
    if (!value) return false;
    into = uint32_t(*value);
    line.remove_prefix(end);
    return true;
  };
  if (number(finding.at.line)) number(finding.at.column);
  if (line.starts_with(": ")) line.remove_prefix(2);
  finding.text = line;
  return finding;
}

std::string place_of(const Finding& finding) { return to_string(finding.file, finding.at); }

std::string text_of(const Finding& finding) {
  return finding.object.name.empty() ? finding.text : describe(finding);
}

std::string json_of(const Finding& finding) {
  const auto text = [](std::string_view s) { return cli::json_string(s); };
  std::string json =
      "{\"code\":" + text(finding.rule->code) + ",\"name\":" + text(finding.rule->name) +
      ",\"severity\":" + text(word(finding.rule->severity)) + ",\"file\":" + text(finding.file) +
      ",\"line\":" + std::to_string(finding.at.line) +
      ",\"column\":" + std::to_string(finding.at.column);
  if (!finding.object.name.empty())
    json += ",\"object\":" + text(to_string(finding.object)) + ",\"path\":" + text(finding.path);
  return json + ",\"text\":" + text(finding.text) + "}";
}

void print(const cli::Context& context, const std::vector<Finding>& findings) {
  if (context.format == cli::Format::Table || context.format == cli::Format::Wide) {
    std::string lines;
    for (const Finding& finding : findings)
      lines += place_of(finding) + ": " + std::string(word(finding.rule->severity)) + " " +
               std::string(finding.rule->code) + ": " + text_of(finding) + "\n";
    return cli::print(stdout, lines);
  }
  cli::Table table({{"CODE"}, {"SEVERITY"}, {"PLACE"}, {"TEXT"}});
  for (const Finding& finding : findings)
    table.add({std::string(finding.rule->code), std::string(word(finding.rule->severity)),
               place_of(finding), text_of(finding)},
              finding.object.name.empty() ? finding.file : to_string(finding.object),
              json_of(finding));
  table.print(context.format);
}

Exit print_codes(const cli::Context& context) {
  cli::Table table({{"CODE"}, {"SEVERITY"}, {"NAME"}, {"APPLY"}, {"MEANING"}});
  for (const config::Rule& rule : config::rules())
    table.add({std::string(rule.code), std::string(word(rule.severity)), std::string(rule.name),
               rule.refused ? "refuses" : "warns", std::string(rule.meaning)});
  table.print(context.format);
  return Exit::Done;
}

// What configd has accepted goes below what the files say.
Result<void> add_accepted(const cli::Context& context, config::ObjectSet& set) {
  MESH_TRY(const Fetched accepted, fetch_set(context, ""));
  for (const auto& [name, object] : accepted.set.objects())
    if (set.find(name) == nullptr) set.put(*object);
  return {};
}

// Instances that registered themselves, of services that discoveryd knows. Where it does
// not answer there are none, and people are told.
std::vector<config::KnownWorkload> registered(const cli::Context& context) {
  namespace msg = mesh::discoveryd::v1;
  std::vector<config::KnownWorkload> result;
  const auto services = ask<msg::ServicesReply>(context, "discoveryd", msg::ServicesRequest());
  if (!services) {
    context.say("instances that register themselves are not known: " + services.error().text);
    return result;
  }
  for (const auto& service : services->services()) {
    msg::EndpointsRequest request;
    request.set_host(service.host());
    request.set_namespace_(service.namespace_());
    const auto reply = ask<msg::EndpointsReply>(context, "discoveryd", request);
    if (!reply) continue;  // gone meanwhile
    for (const auto& endpoint : reply->endpoints())
      result.push_back(
          {endpoint.namespace_(), {endpoint.labels().begin(), endpoint.labels().end()}});
  }
  return result;
}

Exit run(cli::Context& context) {
  if (context.arguments.has("--codes")) return print_codes(context);
  const auto words = context.arguments.words();
  const auto files = read_inputs(words);
  if (!files) return context.fail_here(files.error());
  std::vector<Finding> findings;
  config::Reading reading;
  for (const InputFile& file : *files) {
    config::read_into(reading, file.name, file.text);
    for (const auto& line : reading.errors)
      findings.push_back(from_reader(file.name, line, "M001"));
    for (const auto& line : reading.warnings)
      findings.push_back(from_reader(file.name, line, "M002"));
    reading.errors.clear();
    reading.warnings.clear();
  }
  config::AnalyzeOptions options;
  if (words.empty() || context.arguments.has("--live")) {
    if (auto added = add_accepted(context, reading.set); !added) return context.fail(added.error());
    options.registered = registered(context);
  }
  options.root_namespace = context.arguments.get("--root-namespace", options.root_namespace);
  options.file_exists = [](const std::string& path) { return ::access(path.c_str(), F_OK) == 0; };
  options.credentials = context.config_dir + "/credentials";
  config::Analysis analysis = config::analyze(reading.set, options);
  for (Finding& finding : analysis.findings) findings.push_back(std::move(finding));
  print(context, findings);
  size_t errors = 0;
  for (const Finding& finding : findings) errors += finding.rule->severity == Severity::Error;
  const size_t warnings = findings.size() - errors;
  context.say(std::to_string(reading.set.size()) + " objects: " + std::to_string(errors) +
              " errors, " + std::to_string(warnings) + " warnings");
  if (!analysis.complete) context.say("there is too much to compare or to tell; this is a part");
  const bool strict = context.arguments.has("--strict");
  return errors > 0 || (strict && warnings > 0) ? Exit::No : Exit::Done;
}

}  // namespace

cli::Command analyze_command() {
  return {.name = "analyze",
          .summary = "say what objects do not make sense together",
          .words = "[FILE...]",
          .words_max = 10'000,
          .example = "mesh analyze config/ --live",
          .more =
              "Looks at the objects of the files as one set; with --live, and without files,\n"
              "at what configd has accepted, with the files in the place of what they name.\n"
              "Prints FILE:LINE:COLUMN: error|warning CODE: ... a line. mesh-analyze(1) lists\n"
              "the codes.\n",
          .options = {{"--live", "", "together with the accepted configuration"},
                      {"--strict", "", "warnings too are a reason to exit 1"},
                      {"--codes", "", "list what can be found"},
                      {"--root-namespace", "NS", "default istio-system"}},
          .reading = true,
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

// mesh why: which way a request goes, and why.
#include "explain/why.h"

#include <google/protobuf/util/json_util.h>

#include <set>

#include "base/file.h"
#include "base/text.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/question.h"
#include "cmd/mesh/view.h"
#include "explain/offline.h"
#include "explain/text.h"
#include "xds/decode.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using snapshot::v1::Snapshot;
namespace disco = mesh::discoveryd::v1;

constexpr size_t kSnapshotBytesMax = 1U << 30;
constexpr int kSourcesMax = 100;  // forwarders that are asked to find one by identity

Result<Snapshot> read_snapshot(const std::string& path) {
  MESH_TRY(const std::string text, file::read_input(path, kSnapshotBytesMax));
  Snapshot snapshot;
  if (const auto parsed = google::protobuf::util::JsonStringToMessage(text, &snapshot);
      !parsed.ok())
    return Error{Errc::Invalid, path + " is no snapshot: " + parsed.ToString()};
  if (snapshot.version() != 1)
    return Error{Errc::Invalid, path + " is a snapshot of version " +
                                    std::to_string(snapshot.version()) + ", expected 1"};
  return snapshot;
}

// What the question needs of the mesh as it is: the forwarder that calls, then those
// that its requests may come to.
class Gatherer {
 public:
  Gatherer(const cli::Context& context, const explain::Question& question)
      : context_(context), question_(question) {}

  Result<Snapshot> gather() {
    MESH_TRY(status_, ask<disco::StatusReply>(context_, "discoveryd", disco::StatusRequest()));
    out_.set_version(1);
    out_.set_generation(status_.generation());
    if (!question_.to.empty()) MESH_TRY_VOID(add_named(question_.to));
    const bool identity = question_.from.find("/ns/") != std::string::npos;
    if (question_.to.empty() || (!question_.from.empty() && !identity))
      MESH_TRY_VOID(identity ? add_all() : add_named(question_.from));
    if (question_.to.empty()) MESH_TRY_VOID(add_receivers());
    add_places(context_, out_);
    return std::move(out_);
  }

 private:
  Result<void> add(const disco::Forwarder& one) {
    if (!added_.insert(one.node()).second) return {};
    MESH_TRY_VOID(add_forwarder(context_, one, out_));
    auto& forwarder = *out_.mutable_forwarders()->rbegin();
    if (forwarder.on_demand() && question_.to.empty())
      add_would_hold(context_, question_.call.authority, out_, forwarder);
    return {};
  }

  Result<void> add_named(const std::string& name) {
    size_t found = 0;
    for (const auto& one : status_.forwarders()) {
      const std::string& node = one.node();
      if (name.empty() || node == name || node.substr(0, node.find('@')) == name ||
          one.workload() == name || one.namespace_() + "/" + one.workload() == name) {
        if (++found > kSourcesMax) break;
        MESH_TRY_VOID(add(one));
      }
    }
    if (found > 0) return {};
    std::vector<std::string_view> names;
    for (const auto& one : status_.forwarders()) names.push_back(one.node());
    const std::string_view near = text::nearest(name, names);
    return Error{Errc::NotFound, "no forwarder or workload " + text::quoted(name) +
                                     (near.empty() ? "; mesh proxy-status lists all"
                                                   : "; did you mean " + std::string(near) + "?")};
  }

  Result<void> add_all() {
    for (const auto& one : status_.forwarders())
      if (added_.size() < kSourcesMax) MESH_TRY_VOID(add(one));
    return {};
  }

  // Those behind the endpoints that the first answer names; one of each destination.
  Result<void> add_receivers() {
    const auto first = explain::why(out_, question_);
    if (!first) return {};  // the whole answer will say what is wrong
    for (const auto& hop : first->hops())
      for (const auto& to : hop.destinations())
        for (const bool only_well : {true, false})
          if (add_receiver(to, only_well)) break;
    return {};
  }

  bool add_receiver(const explain::v1::Destination& to, bool only_well) {
    for (const auto& endpoint : to.endpoints()) {
      if (only_well && endpoint.health() != "healthy") continue;
      for (const auto& one : status_.forwarders())
        if (!one.workload().empty() &&
            one.namespace_() + "/" + one.workload() == endpoint.workload())
          return bool(add(one));
    }
    return false;
  }

  const cli::Context& context_;
  const explain::Question& question_;
  disco::StatusReply status_;
  Snapshot out_;
  std::set<std::string> added_;
};

// The logs of the forwarders of this host: those of requests on their way out first.
std::vector<std::string> logs_of(const Snapshot& snapshot) {
  std::vector<std::string> out;
  std::vector<std::string> in;
  for (const auto& forwarder : snapshot.forwarders())
    for (const auto& held : forwarder.resources()) {
      if (held.type_url() != xds::kListenerType) continue;
      const auto body = snapshot.bodies().find(held.version());
      if (body == snapshot.bodies().end()) continue;
      const auto listener = xds::decode_listener(body->second);
      if (!listener) continue;
      for (const auto& chain : (*listener)->filter_chains)
        for (const auto& log : chain.access_logs)
          ((*listener)->direction == xds::TrafficDirection::Outbound ? out : in)
              .push_back(log.path);
    }
  out.insert(out.end(), in.begin(), in.end());
  return out;
}

Result<std::vector<std::string>> find_logs(const cli::Context& context,
                                           const explain::Question& question) {
  if (context.arguments.has("--log")) {
    const auto given = context.arguments.all("--log");
    return std::vector<std::string>(given.begin(), given.end());
  }
  Snapshot snapshot;
  MESH_TRY(const auto status,
           ask<disco::StatusReply>(context, "discoveryd", disco::StatusRequest()));
  for (const auto& one : status.forwarders()) {
    const std::string& node = one.node();
    if (!question.from.empty() && node != question.from &&
        node.substr(0, node.find('@')) != question.from && one.workload() != question.from)
      continue;
    if (forwarder_socket(context, node).empty()) continue;
    MESH_TRY_VOID(
        add_forwarder(context, node, Source::Either, {std::string(xds::kListenerType)}, snapshot));
  }
  return logs_of(snapshot);
}

// Takes the call of that request id; what the log says of it is told on stderr.
Result<void> use_logged(const cli::Context& context, explain::Question& question) {
  const std::string id = context.arguments.get("--request");
  MESH_TRY(const auto logs, find_logs(context, question));
  if (logs.empty())
    return Error{Errc::NotFound, "no forwarder of this host writes an access log; name one: --log"};
  std::optional<Error> last;
  std::set<std::string> seen;
  for (const std::string& log : logs) {
    if (!seen.insert(log).second) continue;
    auto logged = find_logged(log, id);
    if (!logged) {
      if (!last || logged.error().kind != Errc::NotFound) last = logged.error();
      continue;
    }
    context.say(log + ": " + logged->line);
    question.call.method = logged->call.method;
    question.call.authority = logged->call.authority;
    question.call.path = logged->call.path;
    auto& headers = question.call.headers;
    headers.insert(headers.end(), logged->call.headers.begin(), logged->call.headers.end());
    return {};
  }
  return *last;
}

int exit_of(const explain::v1::Why& why) {
  return why.outcome() == "FORWARDED" || why.outcome() == "ANSWERED" ? 0 : 1;
}

Result<void> print(const cli::Context& context, const explain::v1::Why& why) {
  if (context.format == cli::Format::Table || context.format == cli::Format::Wide) {
    cli::print(stdout, explain::to_text(why));
    for (const std::string& unknown : why.unknown()) context.say("not known: " + unknown);
    return {};
  }
  if (context.format == cli::Format::Name) {
    for (const auto& hop : why.hops()) cli::print(stdout, hop.forwarder() + "\n");
    return {};
  }
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (!google::protobuf::util::MessageToJsonString(why, &json, options).ok())
    return Error{Errc::Invalid, "the answer does not print"};
  if (context.format == cli::Format::Yaml) {
    MESH_TRY(json, cli::json_to_yaml(json));
  } else {
    json += "\n";
  }
  cli::print(stdout, json);
  return {};
}

Result<Snapshot> mesh_of(const cli::Context& context, const explain::Question& question) {
  if (context.arguments.has("--snapshot"))
    return read_snapshot(context.arguments.get("--snapshot"));
  if (context.arguments.has("--config"))
    return explain::from_directory(context.arguments.get("--config"));
  return Gatherer(context, question).gather();
}

Exit run(cli::Context& context) {
  const auto& given = context.arguments;
  const bool by_id = given.has("--request");
  if (by_id ? !given.words().empty() : given.words().size() != 2)
    return context.fail(Exit::Usage, "expected METHOD URL, or --request ID");
  if (given.has("--snapshot") && given.has("--config"))
    return context.fail(Exit::Usage, "--snapshot and --config exclude each other");
  if (by_id && !given.has("--log") && (given.has("--snapshot") || given.has("--config")))
    return context.fail(Exit::Usage, "say where the request is logged: --log FILE");
  auto question = read_question(given);
  if (!question) return context.fail(Exit::Usage, question.error().text);
  if (by_id)
    if (auto used = use_logged(context, *question); !used) return context.fail(used.error());
  auto snapshot = mesh_of(context, *question);
  if (!snapshot) return context.fail(snapshot.error());
  if (by_id) snapshot->add_unknown("headers that the log does not have; give them with -H");
  const auto why = explain::why(*snapshot, *question);
  if (!why) {
    if (why.error().kind == Errc::Invalid) return context.fail(Exit::Usage, why.error().text);
    return context.fail(why.error());
  }
  if (auto printed = print(context, *why); !printed) return context.fail(printed.error());
  return exit_of(*why) == 0 ? Exit::Done : Exit::No;
}

}  // namespace

cli::Command why_command() {
  return {.name = "why",
          .summary = "which way a request goes, and why",
          .words = "METHOD URL",
          .words_min = 0,
          .words_max = 2,
          .example = "mesh why GET http://reviews/reviews/1 -H 'end-user: jason' --from web-1",
          .more =
              "Tells each route that was tried and the condition that failed, the cluster,\n"
              "its endpoints and their health, timeouts, retries and faults and who set\n"
              "them, and the rules of authorization at the receiver, with file and line.\n"
              "Asks the forwarders of this host, and discoveryd about others; exit status 1\n"
              "when the request is denied or fails.",
          .options = {{"-H,--header", "HEADER", "'NAME: VALUE'; may be repeated"},
                      {"--from", "FORWARDER", "who calls: forwarder, workload or identity"},
                      {"--to", "FORWARDER", "only what this one does with it as it arrives"},
                      {"--source-ip", "ADDRESS", "where the caller is"},
                      {"--request", "ID", "the request of this x-request-id, from the log"},
                      {"--log", "FILE", "the access log to look in"},
                      {"--snapshot", "FILE", "in this snapshot instead of now"},
                      {"--config", "DIR", "by this configuration alone"}},
          .reading = true,
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

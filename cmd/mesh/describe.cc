// mesh describe: everything that bears on a service or a workload.
#include <algorithm>

#include <google/protobuf/util/json_util.h>

#include "base/text.h"
#include "cli/table.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
namespace msg = mesh::discoveryd::v1;
using Applications = google::protobuf::RepeatedPtrField<msg::Applied>;

void line(std::string& out, std::string_view what, const std::string& value) {
  std::string head(what);
  head.resize(std::max<size_t>(head.size(), 12), ' ');
  out += head + "  " + value + "\n";
}

void add(std::string& out, std::string_view what, const Applications& all) {
  bool first = true;
  for (const auto& one : all) {
    line(out, first ? what : "",
         one.origin() + (one.place().empty() ? "" : " (" + one.place() + ")"));
    line(out, "", "  " + one.effect());
    first = false;
  }
}

std::string text_of(const msg::DescribeReply& reply, const std::string& name) {
  std::string out;
  line(out, "Name", name + (reply.place().empty() ? "" : " (" + reply.place() + ")"));
  for (const auto& service : reply.services())
    line(out, "Service",
         service.host() + ", namespace " + service.namespace_() + ", " + service.object() +
             (service.external() ? ", outside of the mesh" : ""));
  for (const auto& port : reply.ports()) {
    std::string text = std::to_string(port.number()) + "/" + port.protocol() + " " + port.name();
    if (!port.mtls().empty()) {
      text += ", mutual TLS " + port.mtls();
      if (!port.mtls_origin().empty())
        text += " by " + port.mtls_origin() +
                (port.mtls_place().empty() ? "" : " (" + port.mtls_place() + ")");
    }
    line(out, "Port", text);
  }
  for (const auto& endpoint : reply.endpoints()) {
    std::string text = endpoint.address() + " " + endpoint.health() + ", weight " +
                       std::to_string(endpoint.weight());
    if (!endpoint.workload().empty()) text += ", " + endpoint.workload();
    if (!endpoint.locality().empty()) text += ", " + endpoint.locality();
    text += ", " + (endpoint.identity().empty() ? "in clear text" : endpoint.identity());
    if (!endpoint.reason().empty()) text += ", " + endpoint.reason();
    line(out, "Endpoint", text);
  }
  for (const std::string& forwarder : reply.forwarders()) line(out, "Forwarder", forwarder);
  add(out, "Routing", reply.routing());
  add(out, "Policy", reply.policies());
  add(out, "Enforces", reply.own());
  for (const std::string& who : reply.callers()) line(out, "Callers", who);
  return out;
}

Exit run(cli::Context& context) {
  const auto words = context.arguments.words();
  msg::DescribeRequest request;
  request.set_namespace_(context.arguments.get("--namespace"));
  if (words[0] == "service" || words[0] == "svc")
    request.set_service(words[1]);
  else if (words[0] == "workload")
    request.set_workload(words[1]);
  else
    return context.fail(Exit::Usage, "expected service or workload, got " + text::quoted(words[0]));
  const auto reply = ask<msg::DescribeReply>(context, "discoveryd", request);
  if (!reply) return context.fail(reply.error());
  if (context.format == cli::Format::Table || context.format == cli::Format::Wide) {
    constexpr size_t kBehindValues = 18;
    cli::print(stdout, cli::wrap(text_of(*reply, words[1]), cli::width_for(stdout), kBehindValues));
    return Exit::Done;
  }
  if (context.format == cli::Format::Name) {
    cli::print(stdout, reply->object() + "\n");
    return Exit::Done;
  }
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (!google::protobuf::util::MessageToJsonString(*reply, &json, options).ok())
    return context.fail(Exit::Fault, "discoveryd's answer does not print");
  if (context.format == cli::Format::Yaml) {
    auto yaml = cli::json_to_yaml(json);
    if (!yaml) return context.fail(yaml.error());
    json = *std::move(yaml);
  } else {
    json += "\n";
  }
  cli::print(stdout, json);
  return Exit::Done;
}

}  // namespace

cli::Command describe_command() {
  return {.name = "describe",
          .summary = "everything that bears on a service or a workload",
          .words = "service HOST | workload WORKLOAD",
          .words_min = 2,
          .words_max = 2,
          .example = "mesh describe service reviews",
          .more =
              "Ports and their mutual TLS, endpoints and their health, the routes and policies\n"
              "that hold, each with its file and line, and who may call. Routing and policies\n"
              "are those for callers of the service's own namespace.",
          .options = {{"-n,--namespace", "NAMESPACE", "of this namespace"}},
          .reading = true,
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

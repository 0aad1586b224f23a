// mesh snapshot: the mesh at this moment, in a file.
#include <google/protobuf/util/json_util.h>

#include "base/clock.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "cmd/mesh/objects.h"
#include "cmd/mesh/view.h"
#include "config/object.h"
#include "config/writer.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using snapshot::v1::Snapshot;
namespace disco = mesh::discoveryd::v1;

constexpr size_t kCompiledMax = 100'000;  // services, over all forwarders that ask for theirs

Result<void> add_services(const cli::Context& context, Snapshot& to) {
  MESH_TRY(auto services,
           ask<disco::ServicesReply>(context, "discoveryd", disco::ServicesRequest()));
  for (const auto& service : services.services()) {
    disco::EndpointsRequest request;
    request.set_host(service.host());
    request.set_namespace_(service.namespace_());
    auto endpoints = ask<disco::EndpointsReply>(context, "discoveryd", request);
    if (!endpoints && endpoints.error().kind == Errc::NotFound) continue;  // gone meanwhile
    if (!endpoints) return std::move(endpoints).error();
    (*to.mutable_endpoints())[service.namespace_() + "/" + service.host()] = *std::move(endpoints);
  }
  *to.mutable_services() = std::move(*services.mutable_services());
  return {};
}

// What forwarders would hold if they asked for more is compiled for each: within a bound.
void add_unasked(const cli::Context& context, const disco::StatusReply& status, Snapshot& to) {
  size_t on_demand = 0;
  for (const auto& forwarder : to.forwarders()) on_demand += forwarder.on_demand();
  if (on_demand * status.services() > kCompiledMax) {
    to.add_unknown("what forwarders would get of hosts that they have not asked for: too much");
    return;
  }
  for (auto& forwarder : *to.mutable_forwarders())
    if (forwarder.on_demand()) add_would_hold(context, {}, to, forwarder);
}

Result<std::string> configuration(const cli::Context& context) {
  MESH_TRY(const auto objects, fetch_objects(context, {}));
  std::string text;
  for (const auto& object : objects)
    text += (text.empty() ? "" : "---\n") + config::to_yaml(config::to_node(object));
  return text;
}

Exit run(cli::Context& context) {
  const auto status = ask<disco::StatusReply>(context, "discoveryd", disco::StatusRequest());
  if (!status) return context.fail(status.error());
  Snapshot out;
  out.set_version(1);
  out.set_taken_unix_ms(uint64_t(
      std::chrono::duration_cast<std::chrono::milliseconds>(SystemClock().wall().time_since_epoch())
          .count()));
  out.set_generation(status->generation());
  for (const auto& one : status->forwarders()) {
    if (one.away()) {
      out.add_unknown(one.node() + ": was there and is away");
      continue;
    }
    if (auto added = add_forwarder(context, one, out); !added)
      out.add_unknown(one.node() + ": " + added.error().text);
  }
  add_unasked(context, *status, out);
  add_places(context, out);
  if (auto added = add_services(context, out); !added) return context.fail(added.error());
  if (auto text = configuration(context))
    out.set_configuration(*std::move(text));
  else
    out.add_unknown("configuration: " + text.error().text);
  for (const std::string& unknown : out.unknown()) context.say("not in it: " + unknown);
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(out, &json).ok())
    return context.fail(Exit::Fault, "the snapshot does not print");
  cli::print(stdout, json + "\n");
  return Exit::Done;
}

}  // namespace

cli::Command snapshot_command() {
  return {.name = "snapshot",
          .summary = "print the mesh at this moment, for mesh why --snapshot",
          .example = "mesh snapshot > mesh.json",
          .more =
              "Configuration, what each forwarder holds, endpoints and their health, as one\n"
              "JSON object. No keys, no certificates. What could not be had is told on\n"
              "stderr, and stands in it.",
          .waiting = true,
          .exits = {Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

#include "cli/table.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
namespace msg = mesh::discoveryd::v1;

std::string ports_text(const msg::Service& service) {
  std::string result;
  for (const auto& port : service.ports()) {
    if (!result.empty()) result += ',';
    result += std::to_string(port.number()) + "/" + port.protocol();
  }
  return result.empty() ? "-" : result;
}

Exit run(cli::Context& context) {
  const auto reply = ask<msg::ServicesReply>(context, "discoveryd", msg::ServicesRequest());
  if (!reply) return context.fail(reply.error());
  cli::Table table({{"HOST"},
                    {"NAMESPACE"},
                    {"PORTS"},
                    {"ENDPOINTS", false, true},
                    {"HEALTHY", false, true},
                    {"LOCATION", true},
                    {"OBJECT", true}});
  for (const auto& service : reply->services())
    table.add({service.host(), service.namespace_(), ports_text(service),
               std::to_string(service.endpoints()), std::to_string(service.healthy()),
               service.external() ? "external" : "mesh", service.object()},
              service.object());
  table.print(context.format);
  if (table.size() == 0) context.say("no services; declare one with a ServiceEntry");
  return Exit::Done;
}

}  // namespace

cli::Command services_command() {
  return {.name = "services",
          .summary = "list the services that discoveryd knows",
          .example = "mesh services -o wide",
          .more = "HEALTHY counts the endpoints whose forwarder is there, or that never had one.\n",
          .reading = true,
          .waiting = true,
          .exits = {Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

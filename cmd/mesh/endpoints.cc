#include <algorithm>

#include "base/text.h"
#include "cli/table.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
namespace msg = mesh::discoveryd::v1;

std::string cell(const std::string& value) { return value.empty() ? "-" : value; }

std::string labels_text(const msg::Endpoint& endpoint) {
  std::vector<std::string> pairs;
  for (const auto& [key, value] : endpoint.labels()) pairs.push_back(key + "=" + value);
  std::sort(pairs.begin(), pairs.end());
  return cell(text::join(pairs, ","));
}

std::string lease_text(const msg::Endpoint& endpoint) {
  using std::chrono::milliseconds;
  if (endpoint.unconfirmed())
    return "lapsed " + text::format_age(milliseconds(endpoint.unconfirmed_ms())) + " ago";
  if (endpoint.lease_left_ms() == 0) return "-";
  return text::format_age(milliseconds(endpoint.lease_left_ms()));
}

Exit run(cli::Context& context) {
  msg::EndpointsRequest request;
  request.set_host(context.arguments.words()[0]);
  request.set_namespace_(context.arguments.get("--namespace"));
  const auto reply = ask<msg::EndpointsReply>(context, "discoveryd", request);
  if (!reply) return context.fail(reply.error());
  cli::Table table({{"ADDRESS"},
                    {"PORT", false, true},
                    {"WORKLOAD"},
                    {"HEALTH"},
                    {"SOURCE", true},
                    {"LEASE", true},
                    {"WEIGHT", true, true},
                    {"LOCALITY", true},
                    {"GROUP", true},
                    {"REASON", true},
                    {"IDENTITY", true},
                    {"LABELS", true}});
  for (const auto& endpoint : reply->endpoints())
    table.add(
        {endpoint.address(), std::to_string(endpoint.service_port()), cell(endpoint.workload()),
         endpoint.health(), endpoint.source(), lease_text(endpoint),
         std::to_string(endpoint.weight()), cell(endpoint.locality()), cell(endpoint.group()),
         cell(endpoint.reason()), cell(endpoint.identity()), labels_text(endpoint)},
        endpoint.address());
  table.print(context.format);
  if (table.size() == 0) context.say("the service has no endpoints");
  return Exit::Done;
}

}  // namespace

cli::Command endpoints_command() {
  return {.name = "endpoints",
          .summary = "list the endpoints of a service, those that are away too",
          .words = "HOST",
          .words_min = 1,
          .words_max = 1,
          .example = "mesh endpoints reviews",
          .more =
              "HEALTH is HEALTHY, UNHEALTHY (its probe fails; forwarders pass it over),\n"
              "DRAINING (its forwarder ends) or ABSENT (its forwarder is gone); the last two\n"
              "are no endpoints. One whose LEASE lapsed stays until it is ill, or others of\n"
              "the service have been confirmed for ten minutes. PORT is the service's.\n",
          .options = {{"-n,--namespace", "NAMESPACE", "of the service of this namespace"}},
          .reading = true,
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

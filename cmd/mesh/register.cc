#include "base/text.h"
#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
namespace msg = mesh::discoveryd::v1;

constexpr Duration kLeaseMax = std::chrono::hours(24 * 30);

Result<std::pair<std::string, std::string>> pair_of(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return Error{Errc::Invalid, "expected KEY=VALUE, got " + text::quoted(text)};
  return std::pair{text.substr(0, equals), text.substr(equals + 1)};
}

// As a WorkloadEntry's. There 0 is the default, 1, as it cannot be told from nothing; who
// writes it here means no requests, which a weight cannot say.
Result<uint32_t> weight_of(const std::string& text) {
  constexpr uint64_t kWeightMax = 1'000'000;
  const auto weight = text::parse_uint(text, kWeightMax);
  if (weight && *weight > 0) return uint32_t(*weight);
  return Error{Errc::Invalid, "--weight: expected a whole number from 1 to " +
                                  std::to_string(kWeightMax) + ", got " + text::quoted(text) +
                                  "; without requests is mesh deregister"};
}

Result<msg::RegisterRequest> request_of(const cli::Arguments& arguments) {
  msg::RegisterRequest request;
  auto& workload = *request.mutable_workload();
  workload.set_name(arguments.words()[0]);
  workload.set_address(arguments.words()[1]);
  workload.set_namespace_(arguments.get("--namespace", "default"));
  workload.set_service_account(arguments.get("--service-account"));
  workload.set_locality(arguments.get("--locality"));
  for (const auto& text : arguments.all("--label")) {
    MESH_TRY(const auto label, pair_of(text));
    (*workload.mutable_labels())[label.first] = label.second;
  }
  for (const auto& text : arguments.all("--port")) {
    MESH_TRY(const auto port, pair_of(text));
    MESH_TRY(const auto number, text::parse_uint(port.second, 65535));
    (*workload.mutable_ports())[port.first] = uint32_t(number);
  }
  if (arguments.has("--weight")) {
    MESH_TRY(const uint32_t weight, weight_of(arguments.get("--weight")));
    workload.set_weight(weight);
  }
  MESH_TRY(const auto lease, arguments.duration("--lease", Duration(0)));
  if (arguments.has("--lease") && (lease <= Duration(0) || lease > kLeaseMax))
    return Error{Errc::Invalid, "--lease: expected a duration to 720h, such as 30s"};
  request.set_lease_seconds(uint32_t(std::chrono::ceil<std::chrono::seconds>(lease).count()));
  return request;
}

Exit run(cli::Context& context) {
  const auto request = request_of(context.arguments);
  if (!request) return context.fail(Exit::Usage, request.error().text);
  const auto reply = ask<msg::RegisterReply>(context, "discoveryd", *request);
  if (!reply) return context.fail(reply.error());
  context.say(request->workload().namespace_() + "/" + request->workload().name() +
              (reply->changed() ? " registered" : " unchanged"));
  return Exit::Done;
}

}  // namespace

cli::Command register_command() {
  return {.name = "register",
          .summary = "make an instance an endpoint of the services that select it",
          .words = "NAME ADDRESS",
          .words_min = 2,
          .words_max = 2,
          .example = "mesh register reviews-4 10.0.0.4 -p http=9080 -l app=reviews --lease 30s",
          .more =
              "Services select by labels, in the instance's namespace. Registering again\n"
              "renews the lease. One that lapses withdraws nothing by itself: the instance\n"
              "leaves when it is found ill, or after ten minutes while others are well.\n"
              "Without a lease it stays until `mesh deregister`.\n",
          .options = {{"-n,--namespace", "NAMESPACE", "default"},
                      {"-l,--label", "KEY=VALUE", "a label; may be repeated"},
                      {"-p,--port", "NAME=PORT", "where the service's port of that name is"},
                      {"--lease", "DURATION", "how long it is confirmed unless renewed"},
                      {"--service-account", "NAME", "its identity; without it: clear text"},
                      {"--locality", "REGION/ZONE", "where it is"},
                      {"--weight", "NUMBER", "its share of requests, from 1; 1"}},
          .waiting = true,
          .exits = {Exit::No, Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

#include "cmd/mesh/ask.h"
#include "cmd/mesh/commands.h"
#include "mesh/discoveryd.pb.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
namespace msg = mesh::discoveryd::v1;

Exit run(cli::Context& context) {
  msg::DeregisterRequest request;
  request.set_name(context.arguments.words()[0]);
  request.set_namespace_(context.arguments.get("--namespace", "default"));
  const auto reply = ask<msg::DeregisterReply>(context, "discoveryd", request);
  if (!reply) return context.fail(reply.error());
  context.say(request.namespace_() + "/" + request.name() +
              (reply->changed() ? " deregistered" : " unchanged"));
  return Exit::Done;
}

}  // namespace

cli::Command deregister_command() {
  return {.name = "deregister",
          .summary = "take a registration back",
          .words = "NAME",
          .words_min = 1,
          .words_max = 1,
          .example = "mesh deregister reviews-4",
          .more = "What is not registered is no error: it says unchanged.\n",
          .options = {{"-n,--namespace", "NAMESPACE", "default"}},
          .waiting = true,
          .exits = {Exit::Unavailable, Exit::Deadline, Exit::NotAllowed},
          .run = run};
}

}  // namespace mesh::cmd

#include "cmd/mesh/preview.h"

#include <poll.h>

#include "cmd/mesh/ask.h"

namespace mesh::cmd {
namespace {

using discoveryd::v1::PreviewReply;
using discoveryd::v1::PreviewRequest;

const char* word(PreviewReply::Resource::What what) {
  switch (what) {
    case PreviewReply::Resource::ADDED: return "added";
    case PreviewReply::Resource::REMOVED: return "removed";
    case PreviewReply::Resource::CHANGED: return "changed";
    default: return "unchanged";
  }
}

}  // namespace

PreviewRequest preview_request(const configd::v1::ChangeReply& reply) {
  PreviewRequest request;
  request.set_base_generation(reply.generation_before());
  *request.mutable_put() = reply.objects();
  for (const auto& change : reply.changes())
    if (change.what() == configd::v1::Change::DELETED) request.add_removed(change.object());
  return request;
}

Result<PreviewReply> fetch_preview(const cli::Context& context, const PreviewRequest& request) {
  constexpr int kTries = 20;
  constexpr int kPauseMs = 50;
  for (int i = 1;; ++i) {
    auto reply =
        bus::call_blocking<PreviewReply>(context.socket("discoveryd"), request, context.timeout);
    if (reply || reply.error().kind != Errc::Invalid || i == kTries) return reply;
    ::poll(nullptr, 0, kPauseMs);
  }
}

void print_preview(const cli::Context& context, const configd::v1::ChangeReply& reply) {
  const PreviewRequest request = preview_request(reply);
  if (request.put().empty() && request.removed().empty()) return;
  const auto preview = fetch_preview(context, request);
  if (!preview)
    return context.say("what forwarders would get is not known: " + preview.error().text);
  for (const auto& problem : preview->problems()) context.say(problem);
  std::string lines;
  int touched = 0;
  for (const auto& forwarder : preview->forwarders()) {
    if (!forwarder.error().empty()) context.say(forwarder.node() + ": " + forwarder.error());
    if (!forwarder.resources().empty()) ++touched;
    for (const auto& resource : forwarder.resources()) {
      const std::string& type = resource.type_url();
      lines += "forwarder " + forwarder.node() + " " + type.substr(type.rfind('.') + 1) + " " +
               resource.name() + " " + word(resource.what()) + "\n";
    }
  }
  cli::print(stdout, lines);
  context.say(std::to_string(touched) + " of " + std::to_string(preview->forwarders_size()) +
              " forwarders would get other resources");
}

}  // namespace mesh::cmd

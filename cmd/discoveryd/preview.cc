// What forwarders would get if objects changed. Nothing is kept of it.
#include "discovery/preview.h"

#include "base/text.h"
#include "cmd/discoveryd/service.h"
#include "xds/decode.h"

namespace mesh::discoveryd {
namespace {

constexpr int kObjectsMax = 10'000;
constexpr int kHostsMax = 10'000;
constexpr int kResourcesMax = 50'000;
constexpr size_t kBodyBytesMax = 48U << 20;  // a message has 64 MiB at most
// Everything else waits meanwhile; a watch survives three times as much.
constexpr Duration kTimeMax = std::chrono::seconds(2);

using What = msg::PreviewReply::Resource;

What::What what(const discovery::ResourceDiff& diff) {
  if (diff.same) return What::UNCHANGED;
  if (diff.before == nullptr) return What::ADDED;
  return diff.after == nullptr ? What::REMOVED : What::CHANGED;
}

}  // namespace

Result<msg::PreviewReply> Service::preview(const msg::PreviewRequest& request, const bus::Peer&) {
  if (request.put_size() > kObjectsMax || request.removed_size() > kObjectsMax)
    return Error{Errc::TooBig, "over 10000 objects change"};
  if (request.hosts_size() > kHostsMax)
    return Error{Errc::TooBig, "over 10000 hosts are asked for"};
  const auto& now = publisher_.model();
  if (now == nullptr || now->objects().generation != request.base_generation())
    return Error{Errc::Invalid, "generation " + request.base_generation() + " is not served, " +
                                    (now == nullptr ? "none" : now->objects().generation) + " is"};
  if (!request.node().empty() && !publisher_.forwarders().contains(request.node()))
    return Error{Errc::NotFound, "no forwarder " + text::quoted(request.node()) +
                                     " watches; mesh proxy-status lists those that do"};
  const Instant until = clock_.now() + kTimeMax;
  discovery::ObjectReader reader = source_.reader();
  discovery::Objects::Bodies bodies;
  for (const auto& object : request.put())
    bodies.insert_or_assign(object.kind() + "/" + object.namespace_() + "/" + object.name(),
                            object.SerializeAsString());
  for (const std::string& name : request.removed()) bodies.erase(name);
  discovery::ObjectReader::Names changed(request.removed().begin(), request.removed().end());
  for (const auto& [name, body] : bodies) changed.insert(name);
  std::vector<std::string> problems;
  auto objects =
      std::make_shared<const discovery::Objects>(reader.read("preview", bodies, changed, problems));
  const auto then = build_apart(std::move(objects));
  names_.complete_apart(*then);

  const discovery::Hosts hosts(request.hosts().begin(), request.hosts().end());
  msg::PreviewReply reply;
  for (auto& problem : problems) reply.add_problems(std::move(problem));
  int resources = 0;
  size_t bytes = 0;
  for (const auto& [id, forwarder] : publisher_.forwarders()) {
    if (!request.node().empty() && id != request.node()) continue;
    auto& to = *reply.add_forwarders();
    to.set_node(id);
    to.set_on_demand(forwarder.on_demand);
    if (clock_.now() >= until || resources >= kResourcesMax) {
      to.set_error(clock_.now() >= until ? "not compared: that would take too long"
                                         : "not compared: too much differs before it");
      continue;
    }
    for (const auto& diff : compare(compile_whole(*now, forwarder.node_for(*now, hosts)),
                                    compile_whole(*then, forwarder.node_for(*then, hosts)))) {
      if (diff.same && (request.node().empty() || diff.type_url == xds::kEndpointType)) continue;
      auto& out = *to.add_resources();
      out.set_type_url(std::string(diff.type_url));
      out.set_name(diff.name);
      out.set_what(what(diff));
      ++resources;
      if (request.node().empty()) continue;
      if (diff.before) out.set_before(*diff.before);
      if (diff.after && !diff.same) out.set_after(*diff.after);
      bytes += out.before().size() + out.after().size();
    }
    if (bytes > kBodyBytesMax) {
      to.clear_resources();
      to.set_error("its resources are over 48 MiB");
    }
  }
  return reply;
}

}  // namespace mesh::discoveryd

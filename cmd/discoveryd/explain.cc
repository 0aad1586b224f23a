// What discoveryd tells of what it compiled, and of what that was made from.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "cmd/discoveryd/service.h"
#include "discovery/describe.h"
#include "discovery/preview.h"

namespace mesh::discoveryd {
namespace {

constexpr int kAskedMax = 100'000;
constexpr size_t kPageBytesMax = 4U << 20;

using Held = std::array<std::map<std::string, discovery::Resource>, kTypes>;

// All that the node gets as it asks.
Held all_of(const discovery::Model& model, const discovery::Node& node) {
  auto whole = discovery::compile_whole(model, node);
  Held held;
  for (size_t i = 0; i < kTypes; ++i) held[i] = std::move(whole[type_url(Type(i))]);
  return held;
}

Held held_by(const discovery::Catalog& catalog, const Forwarder& forwarder) {
  Held held;
  for (size_t i = 0; i < kTypes; ++i)
    catalog.each(forwarder, Type(i), [&](const discovery::Resource& resource) {
      held[i].insert_or_assign(resource.name, resource);
    });
  return held;
}

template <class Repeated>
std::set<std::string_view> set_of(const Repeated& values) {
  return {values.begin(), values.end()};
}

}  // namespace

Result<msg::ResourcesReply> Service::resources(const msg::ResourcesRequest& request,
                                               const bus::Peer&) {
  if (request.have_size() > kAskedMax || request.names_size() > kAskedMax ||
      request.hosts_size() > kAskedMax)
    return Error{Errc::TooBig, "over 100000 names, versions or hosts are asked about"};
  const auto found = publisher_.forwarders().find(request.node());
  if (found == publisher_.forwarders().end() || publisher_.model() == nullptr)
    return Error{Errc::NotFound, "no forwarder " + text::quoted(request.node()) +
                                     " watches; mesh proxy-status lists those that do"};
  const Forwarder& forwarder = found->second;
  const discovery::Model& model = *publisher_.model();
  msg::ResourcesReply reply;
  reply.set_generation(model.objects().generation);
  reply.set_namespace_(forwarder.node.ns);
  reply.set_workload(forwarder.node.workload);
  reply.mutable_labels()->insert(forwarder.node.labels.begin(), forwarder.node.labels.end());
  if (!forwarder.node.service_account.empty())
    reply.set_identity("spiffe://" + model.options().trust_domain + "/ns/" + forwarder.node.ns +
                       "/sa/" + forwarder.node.service_account);
  const auto types = set_of(request.types());
  const auto names = set_of(request.names());
  const auto have = set_of(request.have());
  const discovery::Hosts hosts(request.hosts().begin(), request.hosts().end());
  const Held held = request.whole()           ? all_of(model, forwarder.node)
                    : request.hosts().empty() ? held_by(publisher_.catalog(), forwarder)
                                              : all_of(model, forwarder.node_for(model, hosts));
  size_t bytes = 0;
  for (size_t i = 0; i < kTypes; ++i) {
    const std::string type(type_url(static_cast<Type>(i)));
    if (!types.empty() && !types.contains(type)) continue;
    for (const auto& [name, resource] : held[i]) {
      const std::string key = std::to_string(i) + "/" + name;
      if (key <= request.after() || (!names.empty() && !names.contains(name))) continue;
      if (bytes > kPageBytesMax) return reply;
      auto& out = *reply.add_resources();
      out.set_type_url(type);
      out.set_name(name);
      out.set_version(resource.version);
      if (!have.contains(resource.version)) out.set_body(*resource.body);
      bytes += out.ByteSizeLong();
      reply.set_next(key);
    }
  }
  reply.clear_next();
  return reply;
}

Result<msg::PlacesReply> Service::places(const msg::PlacesRequest& request, const bus::Peer&) {
  if (request.origins_size() > kAskedMax)
    return Error{Errc::TooBig, "over 100000 origins are asked about"};
  msg::PlacesReply reply;
  for (const std::string& origin : request.origins())
    if (std::string place = publisher_.place(origin); !place.empty())
      (*reply.mutable_places())[origin] = std::move(place);
  return reply;
}

Result<msg::DescribeReply> Service::describe(const msg::DescribeRequest& request,
                                             const bus::Peer& peer) {
  if (publisher_.model() == nullptr) return Error{Errc::NotFound, "nothing is served yet"};
  const discovery::Model& model = *publisher_.model();
  MESH_TRY(msg::DescribeReply reply, discovery::describe(model, request));
  for (const auto& service : reply.services()) {
    msg::EndpointsRequest asked;
    asked.set_host(service.host());
    asked.set_namespace_(service.namespace_());
    MESH_TRY(const auto all, endpoints(asked, peer));
    for (const auto& endpoint : all.endpoints())
      if (request.workload().empty() || (endpoint.workload() == request.workload()))
        *reply.add_endpoints() = endpoint;
  }
  std::set<std::pair<std::string_view, std::string_view>> instances;
  for (const auto& endpoint : reply.endpoints())
    instances.emplace(endpoint.namespace_(), endpoint.workload());
  for (const auto& [id, forwarder] : publisher_.forwarders())
    if (!forwarder.node.workload.empty() &&
        instances.contains({forwarder.node.ns, forwarder.node.workload}))
      reply.add_forwarders(id);
  return reply;
}

}  // namespace mesh::discoveryd

#include "cmd/mesh/view.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/host_name.h"
#include "base/text.h"
#include "cmd/mesh/ask.h"
#include "explain/why.h"

namespace mesh::cmd {
namespace {

namespace disco = mesh::discoveryd::v1;
namespace fwd = mesh::forwarder::v1;
using snapshot::v1::Snapshot;

constexpr size_t kPagesMax = 10'000;

// The name before the '@', and whether the host behind it is ours, or not said.
std::pair<std::string, bool> local_name(const std::string& node) {
  const size_t at = node.find('@');
  return {node.substr(0, at), at == std::string::npos || node.substr(at + 1) == host_name()};
}

bool matches(const std::string& node, const std::string& wanted) {
  return node == wanted ||
         (wanted.find('@') == std::string::npos && node.substr(0, node.find('@')) == wanted);
}

template <class Reply>
void take(const Reply& page, Snapshot& to, snapshot::v1::Forwarder& forwarder) {
  for (const auto& resource : page.resources()) {
    auto& held = *forwarder.add_resources();
    held.set_type_url(resource.type_url());
    held.set_name(resource.name());
    held.set_version(resource.version());
    if (!resource.body().empty()) (*to.mutable_bodies())[resource.version()] = resource.body();
  }
  forwarder.set_namespace_(page.namespace_().empty() ? "default" : page.namespace_());
  forwarder.set_workload(page.workload());
  if (!page.identity().empty()) forwarder.set_identity(page.identity());
  forwarder.set_generation(page.generation());
}

template <class Reply, class Request, class Ask>
Result<void> take_pages(Request request, Snapshot& to, snapshot::v1::Forwarder& forwarder,
                        const Ask& ask_page) {
  for (const auto& [version, body] : to.bodies()) request.add_have(version);
  for (size_t pages = 0; pages < kPagesMax; ++pages) {
    auto page = ask_page(request);
    if (!page) return std::move(page).error();
    take(*page, to, forwarder);
    request.set_after(page->next());
    if (page->next().empty()) return {};
  }
  return Error{Errc::TooBig, "more resources than fit"};
}

Result<void> add_live(const cli::Context& context, const std::string& socket,
                      const std::vector<std::string>& types, Snapshot& to,
                      snapshot::v1::Forwarder& forwarder) {
  fwd::HeldRequest request;
  request.mutable_types()->Add(types.begin(), types.end());
  MESH_TRY_VOID(take_pages<fwd::HeldReply>(request, to, forwarder, [&](const auto& page) {
    return bus::call_blocking<fwd::HeldReply>(socket, page, context.timeout);
  }));
  forwarder.set_live(true);
  auto health = bus::call_blocking<fwd::HealthReply>(socket, fwd::HealthRequest(), context.timeout);
  if (!health) return std::move(health).error();
  *forwarder.mutable_health() = health->clusters();
  if (health->truncated())
    to.add_unknown("health of over 100000 endpoints of " + forwarder.node() + ": not all is here");
  return {};
}

Result<void> add_served(const cli::Context& context, const std::vector<std::string>& types,
                        Snapshot& to, snapshot::v1::Forwarder& forwarder) {
  disco::ResourcesRequest request;
  request.set_node(forwarder.node());
  request.mutable_types()->Add(types.begin(), types.end());
  return take_pages<disco::ResourcesReply>(request, to, forwarder, [&](const auto& page) {
    auto reply = ask<disco::ResourcesReply>(context, "discoveryd", page);
    if (reply) *forwarder.mutable_labels() = reply->labels();
    return reply;
  });
}

}  // namespace

Result<std::string> find_forwarder(const cli::Context& context, const std::string& name) {
  const auto status = ask<disco::StatusReply>(context, "discoveryd", disco::StatusRequest());
  std::set<std::string> found;
  std::vector<std::string_view> names;
  if (status)
    for (const auto& forwarder : status->forwarders()) {
      names.push_back(forwarder.node());
      if (matches(forwarder.node(), name)) found.insert(forwarder.node());
    }
  if (found.empty() && !forwarder_socket(context, name).empty())
    return local_name(name).first + "@" + host_name();
  if (!status) return status.error();
  if (found.size() > 1)
    return Error{Errc::Invalid,
                 name + " is " +
                     text::join(std::vector<std::string>(found.begin(), found.end()), ", ") +
                     "; say which"};
  if (found.empty()) {
    const std::string_view near = text::nearest(name, names);
    return Error{Errc::NotFound, "no forwarder " + text::quoted(name) +
                                     (near.empty() ? "; mesh proxy-status lists all"
                                                   : "; did you mean " + std::string(near) + "?")};
  }
  return *found.begin();
}

std::string forwarder_socket(const cli::Context& context, const std::string& node) {
  const auto [name, local] = local_name(node);
  if (!local || name.find('/') != std::string::npos) return {};
  for (const std::string& file : {"forwarder-" + name, std::string("forwarder")}) {
    if (file == "forwarder" && name != "forwarder") continue;
    if (access(context.socket(file).c_str(), F_OK) == 0) return context.socket(file);
  }
  return {};
}

Result<void> add_forwarder(const cli::Context& context, const std::string& node, Source source,
                           const std::vector<std::string>& types, Snapshot& to) {
  snapshot::v1::Forwarder forwarder;
  forwarder.set_node(node);
  const std::string socket = source == Source::Served ? "" : forwarder_socket(context, node);
  if (source == Source::Live && socket.empty())
    return Error{Errc::Unavailable,
                 node + " does not serve in " + context.run_dir +
                     "; ask on its own host, or leave --live out for discoveryd's view"};
  Result<void> done;
  if (!socket.empty()) {
    done = add_live(context, socket, types, to, forwarder);
    if (done || source == Source::Live) {
      if (done) *to.add_forwarders() = std::move(forwarder);
      return done;
    }
    forwarder.Clear();
    forwarder.set_node(node);
  }
  MESH_TRY_VOID(add_served(context, types, to, forwarder));
  if (source == Source::Either)
    to.add_unknown(node +
                   " was not asked itself: its own health checks and ejections are not "
                   "known, and it may hold older resources");
  *to.add_forwarders() = std::move(forwarder);
  return {};
}

Result<void> add_forwarder(const cli::Context& context, const disco::Forwarder& known,
                           Snapshot& to) {
  MESH_TRY_VOID(add_forwarder(context, known.node(), Source::Either, {}, to));
  to.mutable_forwarders()->rbegin()->set_on_demand(known.on_demand());
  return {};
}

void add_would_hold(const cli::Context& context, const std::string& host, Snapshot& to,
                    snapshot::v1::Forwarder& forwarder) {
  disco::ResourcesRequest request;
  request.set_node(forwarder.node());
  host.empty() ? request.set_whole(true) : request.add_hosts(host);
  snapshot::v1::Forwarder more;
  const auto taken = take_pages<disco::ResourcesReply>(request, to, more, [&](const auto& page) {
    return ask<disco::ResourcesReply>(context, "discoveryd", page);
  });
  if (taken)
    *forwarder.mutable_would_hold() = std::move(*more.mutable_resources());
  else
    to.add_unknown(forwarder.node() +
                   ", of hosts that it has not asked for: " + taken.error().text);
}

void add_places(const cli::Context& context, Snapshot& to) {
  disco::PlacesRequest request;
  for (const std::string& origin : explain::origins(to))
    if (!to.places().contains(origin)) request.add_origins(origin);
  if (request.origins().empty()) return;
  const auto reply = ask<disco::PlacesReply>(context, "discoveryd", request);
  if (!reply) {
    to.add_unknown("files and lines: " + reply.error().text);
    return;
  }
  to.mutable_places()->insert(reply->places().begin(), reply->places().end());
}

}  // namespace mesh::cmd

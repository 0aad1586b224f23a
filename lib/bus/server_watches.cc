#include <algorithm>

#include "base/log.h"
#include "bus/server_impl.h"

namespace mesh::bus {
namespace {

constexpr size_t kNodeBytesMax = 64 * 1024;

Node to_node(const wire::Node& node) {
  return {clean(node.id(), 256),
          clean(node.workload(), 256),
          clean(node.namespace_(), 256),
          {node.labels().begin(), node.labels().end()},
          {node.metadata().begin(), node.metadata().end()}};
}

}  // namespace

void Server::Impl::on_watch_request(const std::string& routing_id, PeerState& from,
                                    const wire::Envelope& envelope, std::string_view payload) {
  const auto request = parse_payload<wire::WatchRequest>(payload);
  if (!request) {
    ++stats.malformed;
    return send_error(routing_id, envelope.id(), request.error());
  }
  ServerWatcher* watcher = nullptr;
  if (const auto at = from.watches.find(envelope.id()); at != from.watches.end()) {
    watcher = watchers_.at(at->second).get();
  } else if (request->has_node()) {
    auto opened = open_watch(routing_id, from, envelope, *request);
    if (!opened) return send_error(routing_id, envelope.id(), opened.error());
    watcher = *opened;
  } else if (!request->close()) {
    // It lapsed here: the client opens it anew.
    wire::Lease unknown;
    unknown.add_watch_ids(envelope.id());
    send(routing_id, wire::KIND_LEASE, 0, {}, unknown.SerializeAsString());
    return;
  } else {
    return;
  }
  auto events = watcher->state.take(*request);
  if (!events) {
    ++(events.error().kind == Errc::TooBig ? stats.over_limit : stats.malformed);
    return watcher->refuse(std::move(events).error());
  }
  if (!watcher->state.in_flight()) set_unanswered(*watcher, 0);
  tell_provider(*watcher, *events);
  touched(*watcher);
  if (events->closed) end_watch(watcher->id());
}

Result<Server::Impl::ServerWatcher*> Server::Impl::open_watch(const std::string& routing_id,
                                                              PeerState& from,
                                                              const wire::Envelope& envelope,
                                                              const wire::WatchRequest& request) {
  const std::string type = clean(envelope.type_url(), kTypeUrlBytesMax);
  const auto source = sources.find(envelope.type_url());
  if (source == sources.end()) {
    ++stats.unknown_type;
    return Error{Errc::NotFound, "no such resource type here: " + type};
  }
  if (!options.access.allows(source->second.allow, from.peer)) {
    ++stats.refused;
    return Error{Errc::Refused, "uid " + std::to_string(from.peer.uid) + " may not watch " + type};
  }
  if (request.node().ByteSizeLong() > kNodeBytesMax) {
    ++stats.too_big;
    return Error{Errc::TooBig, "the watch's node is over 64 KiB"};
  }
  if (from.watches.size() >= options.limits.watches_a_peer_max) {
    ++stats.over_limit;
    return Error{Errc::TooBig, "too many watches of yours"};
  }
  auto watcher = std::make_unique<ServerWatcher>(*this, routing_id, envelope.id(), from.peer,
                                                 node_of(from, request.node()), source->first,
                                                 *source->second.provider);
  if (auto opened = watcher->provider.on_open(*watcher); !opened) {
    ++stats.refused;
    touched_.erase(watcher->id());
    return std::move(opened).error();
  }
  from.watches.emplace(envelope.id(), watcher->id());
  return watchers_.emplace(watcher->id(), std::move(watcher)).first->second.get();
}

// A client says the same in each of its watches: one copy is kept.
std::shared_ptr<const Node> Server::Impl::node_of(const PeerState& from,
                                                  const wire::Node& said) const {
  Node node = to_node(said);
  for (const auto& [theirs, ours] : from.watches)
    if (const auto& other = watchers_.at(ours)->shared_node(); *other == node) return other;
  return std::make_shared<const Node>(std::move(node));
}

void Server::Impl::tell_provider(ServerWatcher& watcher, const WatcherState::Events& events) {
  WatchProvider& provider = watcher.provider;
  for (const auto& nack : events.nacks)
    provider.on_nack(watcher, nack.name, nack.version, nack.reason);
  if (events.acked) provider.on_ack(watcher, events.generation);
  if (!events.unsubscribed.empty()) provider.on_unsubscribe(watcher, events.unsubscribed);
  if (!events.subscribed.empty()) provider.on_subscribe(watcher, events.subscribed);
  if (!events.in_force.empty()) provider.on_in_force(watcher, events.in_force);
}

void Server::Impl::touched(ServerWatcher& watcher) {
  touched_.insert(watcher.id());
  loop.at_turn_end(*this);
}

void Server::Impl::flush(ServerWatcher& watcher) {
  if (watcher.ended) {
    send_error(watcher.routing, watcher.theirs, *watcher.ended);
    return end_watch(watcher.id());
  }
  if (watcher.unsent.empty()) {
    const Limits& limits = options.limits;
    const size_t room =
        limits.unanswered_bytes_max - std::min(limits.unanswered_bytes_max, unanswered_bytes_);
    const auto response = watcher.state.next(
        std::min(limits.response_bytes_max, std::max(limits.response_bytes_least, room)));
    if (!response) return;
    watcher.unsent = response->SerializeAsString();
    set_unanswered(watcher, watcher.unsent.size());
  }
  switch (send(watcher.routing, wire::KIND_WATCH_RESPONSE, watcher.theirs, watcher.type_url(),
               watcher.unsent)) {
    case Socket::Sent::Yes: watcher.unsent = std::string(); return;  // its memory too
    case Socket::Sent::Blocked: blocked_.insert(watcher.id()); return;
    case Socket::Sent::NoPeer: return;  // dropped at the turn's end
  }
}

void Server::Impl::set_unanswered(ServerWatcher& watcher, size_t bytes) {
  unanswered_bytes_ += bytes;
  unanswered_bytes_ -= std::exchange(watcher.unanswered, bytes);
}

void Server::Impl::end_watch(uint64_t id) {
  const auto at = watchers_.find(id);
  if (at == watchers_.end()) return;
  // Out of the books first: the provider may act on others in its callback.
  const std::unique_ptr<ServerWatcher> watcher = std::move(at->second);
  watchers_.erase(at);
  set_unanswered(*watcher, 0);
  if (const auto peer = peers_.find(watcher->routing); peer != peers_.end())
    peer->second.watches.erase(watcher->theirs);
  watcher->provider.on_gone(*watcher);
}

void Server::Impl::drop_peer(Peers::iterator at) {
  const auto watches = std::move(at->second.watches);
  calls_.drop(at->first);
  peers_.erase(at);
  for (const auto& [theirs, ours] : watches) end_watch(ours);
}

// ---- What providers call

void Server::Impl::ServerWatcher::offer(std::string_view name, std::string_view version,
                                        std::shared_ptr<const std::string> body) {
  if (body->size() > server_.options.limits.payload_bytes_max / 2) {
    ++server_.stats.too_big;
    log::error("bus: resource is too big to send", {{"type", type_url_}, {"name", name}});
    return;
  }
  if (!state.offer(name, version, std::move(body))) {
    ++server_.stats.over_limit;
    return refuse({Errc::TooBig, "too many resources for one watch"});
  }
  server_.touched(*this);
}

void Server::Impl::ServerWatcher::withdraw(std::string_view name) {
  state.withdraw(name);
  server_.touched(*this);
}

void Server::Impl::ServerWatcher::mark(std::string_view generation) {
  state.mark(generation);
  server_.touched(*this);
}

void Server::Impl::ServerWatcher::complete() {
  state.complete();
  server_.touched(*this);
}

void Server::Impl::ServerWatcher::refuse(Error error) {
  if (!ended) ended = std::move(error);
  server_.touched(*this);
}

}  // namespace mesh::bus

#include "bus/server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/random.h"
#include "bus/server_impl.h"

namespace mesh::bus {
namespace {

constexpr Duration kSweepMax = std::chrono::seconds(1);
constexpr Duration kCallMax = std::chrono::hours(1);

// libzmq accepts on a thread of its own, faster than we can look: so there is
// room for many between the mark at which we stop it and the end.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Descriptors are given lowest first: a new one's number is at least how many
// are in use, holes aside.
bool descriptors_left(size_t reserve) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return true;
  const UniqueFd probe(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  if (!probe) return errno != EMFILE;
  return rlim_t(probe.get()) + std::max<rlim_t>(reserve, limit.rlim_cur / 2) < limit.rlim_cur;
}

}  // namespace

Server::Impl::Impl(event::Loop& the_loop, Options the_options)
    : loop(the_loop),
      options(std::move(the_options)),
      calls_([this](const auto& call, const auto& type_url, const auto& payload,
                    const Error* error) { deliver(call, type_url, payload, error); }),
      sweep_timer_(the_loop, [this] { sweep(); }) {
  while (options.boot_id == 0) options.boot_id = Random::from_system().next();
}

Result<void> Server::Impl::bind() {
  MESH_TRY(SocketFile file, SocketFile::open(options.path, options.mode, options.group));
  file_.emplace(std::move(file));
  return {};
}

Result<void> Server::Impl::start() {
  MESH_CHECK(file_.has_value());
  options.access.own_uid = geteuid();
  raise_descriptor_limit();
  MESH_TRY(socket_, Socket::open(loop, Socket::Type::Router, options.limits, *this));
  MESH_TRY_VOID(listen());
  sweep_timer_.arm(Duration::zero());
  return {};
}

Result<void> Server::Impl::listen() {
  MESH_TRY(UniqueFd listening, file_->listening());
  return socket_->listen(std::move(listening), options.path);
}

// The state of a connection; null when there are too many. A routing id that
// comes back with other credentials or with a new hello is another connection.
Server::Impl::PeerState* Server::Impl::touch(std::string_view routing_id, const Peer& peer,
                                             bool new_connection) {
  auto at = peers_.find(routing_id);
  if (at != peers_.end() && (new_connection || !(at->second.peer == peer))) {
    drop_peer(at);
    at = peers_.end();
  }
  if (at == peers_.end()) {
    check_accepting();
    if (peers_.size() >= options.limits.peers_max && !make_room()) {
      ++stats.over_limit;
      return nullptr;
    }
    at = peers_.emplace(routing_id, PeerState{peer, {}, {}}).first;
  }
  at->second.seen = loop.now();
  return &at->second;
}

// Forgets the connection that has been idle for longest. It may speak again.
bool Server::Impl::make_room() {
  auto idle = peers_.end();
  for (auto at = peers_.begin(); at != peers_.end(); ++at) {
    if (!at->second.watches.empty() || calls_.of(at->first) != 0) continue;
    if (idle == peers_.end() || at->second.seen < idle->second.seen) idle = at;
  }
  if (idle == peers_.end()) return false;
  peers_.erase(idle);
  return true;
}

void Server::Impl::on_message(const Socket::Message& message) {
  ++stats.messages;
  const auto peer = parse_peer_address(message.peer_address);
  if (!peer) {
    ++stats.refused;
    return;
  }
  const std::string routing_id(message.frames[0]);
  if (message.count == 2 && message.frames[1].empty()) {
    if (touch(routing_id, *peer, true) != nullptr) send(routing_id, wire::KIND_HELLO, 0, {}, {});
    return;
  }
  if (message.count != 3) {
    ++stats.malformed;
    return;
  }
  const auto envelope = parse_envelope(message.frames[1]);
  if (!envelope) {
    ++(envelope.error().kind == Errc::TooBig ? stats.too_big : stats.malformed);
    return;
  }
  const std::string_view payload = message.frames[2];
  const bool answerable =
      envelope->kind() == wire::KIND_CALL || envelope->kind() == wire::KIND_WATCH_REQUEST;
  if (payload.size() > options.limits.payload_bytes_max) {
    ++stats.too_big;
    if (answerable)
      send_error(routing_id, envelope->id(), {Errc::TooBig, "the message is too big for the bus"});
    return;
  }
  if (PeerState* const from = touch(routing_id, *peer, false))
    dispatch(routing_id, *from, *envelope, payload);
  else if (answerable)
    send_error(routing_id, envelope->id(), {Errc::Unavailable, "too many clients"});
}

void Server::Impl::dispatch(const std::string& routing_id, PeerState& from,
                            const wire::Envelope& envelope, std::string_view payload) {
  switch (envelope.kind()) {
    case wire::KIND_CALL: return on_call(routing_id, from, envelope, payload);
    case wire::KIND_REPORT: return on_report(from, envelope, payload);
    case wire::KIND_WATCH_REQUEST: return on_watch_request(routing_id, from, envelope, payload);
    case wire::KIND_LEASE: return on_lease(routing_id, from, payload);
    default: ++stats.malformed;  // what only servers say
  }
}

void Server::Impl::on_call(const std::string& routing_id, PeerState& from,
                           const wire::Envelope& envelope, std::string_view payload) {
  const auto refuse = [&](uint64_t& counter, Errc kind, std::string text) {
    ++counter;
    send_error(routing_id, envelope.id(), {kind, std::move(text)});
  };
  const std::string type = clean(envelope.type_url(), kTypeUrlBytesMax);
  const auto answerer = answerers.find(envelope.type_url());
  if (answerer == answerers.end())
    return refuse(stats.unknown_type, Errc::NotFound, "no such call here: " + type);
  if (!options.access.allows(answerer->second.allow, from.peer))
    return refuse(stats.refused, Errc::Refused,
                  "uid " + std::to_string(from.peer.uid) + " may not call " + type);
  if (calls_.of(routing_id) >= options.limits.calls_a_peer_max)
    return refuse(stats.over_limit, Errc::TooBig, "too many calls of yours are unanswered");
  if (calls_.knows(routing_id, envelope.id())) {
    ++stats.malformed;
    return;
  }
  ++stats.calls;
  Duration wait = std::chrono::milliseconds(envelope.deadline_ms());
  if (wait == Duration::zero() || wait > kCallMax) wait = kCallMax;
  const Peer peer = from.peer;
  Answer answer = calls_.open({routing_id, envelope.id(), loop.now() + wait});
  if (!answerer->second.handle(payload, peer, std::move(answer))) ++stats.malformed;
}

void Server::Impl::on_report(PeerState& from, const wire::Envelope& envelope,
                             std::string_view payload) {
  const auto collector = collectors.find(envelope.type_url());
  if (collector == collectors.end()) {
    ++stats.unknown_type;
  } else if (!options.access.allows(collector->second.allow, from.peer)) {
    ++stats.refused;
  } else if (collector->second.handle(payload, from.peer)) {
    ++stats.reports;
  } else {
    ++stats.malformed;
  }
}

// Having spoken has renewed the lease. What the client holds and we do not
// know is told; what we hold and it does not name is over.
void Server::Impl::on_lease(const std::string& routing_id, PeerState& from,
                            std::string_view payload) {
  const auto lease = parse_payload<wire::Lease>(payload);
  if (!lease) {
    ++stats.malformed;
    return;
  }
  wire::Lease unknown;
  const std::set<uint64_t> named(lease->watch_ids().begin(), lease->watch_ids().end());
  for (const uint64_t id : named)
    if (!from.watches.contains(id)) unknown.add_watch_ids(id);
  for (const uint64_t id : lease->call_ids())
    if (!calls_.knows(routing_id, id)) unknown.add_call_ids(id);
  send(routing_id, wire::KIND_LEASE, 0, {}, unknown.SerializeAsString());
  std::vector<uint64_t> over;
  for (const auto& [theirs, ours] : from.watches)
    if (!named.contains(theirs)) over.push_back(ours);
  for (const uint64_t id : over) end_watch(id);
}

Socket::Sent Server::Impl::send(const std::string& routing_id, wire::Kind kind, uint64_t id,
                                std::string_view type_url, std::string_view payload) {
  wire::Envelope envelope;
  envelope.set_boot_id(options.boot_id);
  envelope.set_kind(kind);
  envelope.set_id(id);
  envelope.set_type_url(std::string(type_url));
  const auto sent = socket_->send({routing_id, envelope.SerializeAsString(), payload});
  if (sent == Socket::Sent::NoPeer) {
    gone_.insert(routing_id);
    loop.at_turn_end(*this);
  }
  return sent;
}

void Server::Impl::send_error(const std::string& routing_id, uint64_t id, const Error& error) {
  if (send(routing_id, wire::KIND_ERROR, id, {}, to_wire(error).SerializeAsString()) !=
      Socket::Sent::Yes)
    ++stats.undelivered;
}

void Server::Impl::deliver(const OpenCalls::Call& call, const std::string& type_url,
                           const std::string& payload, const Error* error) {
  if (error != nullptr) return send_error(call.routing_id, call.id, *error);
  if (payload.size() > options.limits.payload_bytes_max)
    return send_error(call.routing_id, call.id, {Errc::TooBig, "the reply is too big for the bus"});
  if (send(call.routing_id, wire::KIND_REPLY, call.id, type_url, payload) != Socket::Sent::Yes)
    ++stats.undelivered;
}

void Server::Impl::on_writable() {
  for (const uint64_t id : std::exchange(blocked_, {}))
    if (const auto at = watchers_.find(id); at != watchers_.end()) touched(*at->second);
}

void Server::Impl::on_turn_end() {
  const auto touched_now = std::exchange(touched_, {});
  for (const uint64_t id : touched_now)
    if (const auto at = watchers_.find(id); at != watchers_.end()) flush(*at->second);
  const auto gone = std::exchange(gone_, {});
  for (const auto& routing_id : gone)
    if (const auto at = peers_.find(routing_id); at != peers_.end()) drop_peer(at);
}

Duration Server::Impl::sweep_every() const {
  return std::min({kSweepMax, options.limits.lease_lapse / 4, options.limits.lease_probe / 2});
}

// What nobody tells us: time passes, connections die, files are removed.
void Server::Impl::sweep() {
  sweep_timer_.arm(sweep_every());
  calls_.expire(loop.now());
  // Where we were stopped ourselves, what clients said in the meantime is not read
  // yet: nobody is silent.
  const Duration slept = loop.now() - std::exchange(swept_, loop.now());
  const bool late = slept > options.limits.lease_lapse / 2;
  for (auto at = peers_.begin(); at != peers_.end();) {
    const auto peer = at++;
    const Duration silent = loop.now() - peer->second.seen;
    if (silent >= options.limits.lease_probe && !peer->second.watches.empty())
      send(peer->first, wire::KIND_LEASE, 0, {}, {});
    if (late || silent < options.limits.lease_lapse) continue;
    if (calls_.of(peer->first) != 0 && peer->second.watches.empty()) continue;
    stats.lapsed += peer->second.watches.size();
    drop_peer(peer);
  }
  if (!file_->intact()) {
    log::warning("bus: the socket was removed or replaced, making it anew",
                 {{"path", options.path}});
    auto made = file_->make();
    if (made) made = listen();
    if (!made) log::error("bus: cannot make the socket anew", {{"error", made.error().text}});
  }
  check_accepting();
}

// libzmq aborts the process when it accepts and no descriptor is left, and can
// not be told to stop accepting. So the socket is hidden while few are: who
// would connect finds nobody and tries again.
void Server::Impl::check_accepting() {
  const bool enough = descriptors_left(options.limits.descriptors_reserved);
  if (enough != file_->hidden()) return;
  if (!enough) {
    ++stats.accept_pauses;
    log::error("bus: few descriptors left, no new clients for now", {{"path", options.path}});
  }
  if (const auto done = enough ? file_->show() : file_->hide(); !done)
    log::error("bus: cannot rename the socket", {{"error", done.error().text}});
}

// ---- The public face

Server::Server(event::Loop& loop, Options options)
    : impl_(std::make_unique<Impl>(loop, std::move(options))) {}

Server::~Server() = default;

Result<void> Server::bind() { return impl_->bind(); }

Result<void> Server::start() {
  if (auto started = impl_->start(); !started)
    return std::move(started).error().during("start the bus at " + impl_->options.path);
  return {};
}

void Server::answer_bytes(Allow allow, std::string type_url, AnswerBytes handle) {
  MESH_CHECK(impl_->answerers.emplace(std::move(type_url), Impl::Answerer{allow, std::move(handle)})
                 .second);
}

void Server::collect_bytes(Allow allow, std::string type_url, CollectBytes handle) {
  MESH_CHECK(
      impl_->collectors.emplace(std::move(type_url), Impl::Collector{allow, std::move(handle)})
          .second);
}

void Server::serve(Allow allow, std::string type_url, WatchProvider& provider) {
  MESH_CHECK(impl_->sources.emplace(std::move(type_url), Impl::Source{allow, &provider}).second);
}

const Server::Stats& Server::stats() const {
  impl_->stats.peers = impl_->peers();
  impl_->stats.watches = impl_->watches();
  impl_->stats.calls_open = impl_->calls_open();
  return impl_->stats;
}

uint64_t Server::boot_id() const { return impl_->options.boot_id; }
const std::string& Server::path() const { return impl_->options.path; }
Error Server::unparsable() { return {Errc::Invalid, "the request does not parse"}; }

}  // namespace mesh::bus

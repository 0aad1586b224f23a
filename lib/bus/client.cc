#include "bus/client.h"

#include <algorithm>

#include "base/log.h"
#include "base/random.h"
#include "bus/client_impl.h"

namespace mesh::bus {
namespace {

constexpr Duration kStartAgain = std::chrono::seconds(1);

}  // namespace

Client::Impl::Impl(event::Loop& loop, std::string path, Limits limits)
    : loop_(loop),
      path_(std::move(path)),
      limits_(limits),
      boot_id_(Random::from_system().next() | 1),
      start_timer_(loop, [this] { start(); }),
      lease_timer_(loop, [this] { keep_lease(); }) {
  start_timer_.arm(Duration::zero());
}

Client::Impl::~Impl() = default;

void Client::Impl::start() {
  auto socket = Socket::open(loop_, Socket::Type::Dealer, limits_, *this);
  auto connected = socket ? (*socket)->connect(path_) : Result<void>(socket.error());
  if (!connected) {
    log::error("bus: cannot start a client, trying again",
               {{"path", path_}, {"error", connected.error().text}});
    start_timer_.arm(kStartAgain);
    return;
  }
  socket_ = *std::move(socket);
  lease_timer_.arm(limits_.lease_renew);
}

bool Client::Impl::send(wire::Kind kind, uint64_t id, uint32_t deadline_ms,
                        std::string_view type_url, std::string_view payload) {
  // Leases ask whether anyone is there.
  if (socket_ == nullptr || (!up_ && kind != wire::KIND_LEASE)) return false;
  wire::Envelope envelope;
  envelope.set_boot_id(boot_id_);
  envelope.set_kind(kind);
  envelope.set_id(id);
  envelope.set_deadline_ms(deadline_ms);
  envelope.set_type_url(std::string(type_url));
  return socket_->send({envelope.SerializeAsString(), payload}) == Socket::Sent::Yes;
}

void Client::Impl::on_message(const Socket::Message& message) {
  const auto envelope = message.count == 2
                            ? parse_envelope(message.frames[0])
                            : Result<wire::Envelope>(Error{Errc::Invalid, "wrong frames"});
  if (!envelope) {
    ++stats.malformed;
    return;
  }
  const std::string_view payload = message.frames[1];
  heard_ = loop_.now();
  bool understood = true;
  switch (envelope->kind()) {
    case wire::KIND_HELLO: return on_hello(*envelope);
    case wire::KIND_LEASE: return on_lease(payload);
    case wire::KIND_REPLY:
    case wire::KIND_ERROR: understood = on_answer(*envelope, payload); break;
    case wire::KIND_WATCH_RESPONSE: understood = on_watch_response(*envelope, payload); break;
    default: understood = false;
  }
  if (!understood) ++stats.malformed;
}

// A connection that the server did not know: it was restarted, or dropped us,
// or this is the first. It has our watches no more.
void Client::Impl::on_hello(const wire::Envelope& envelope) {
  ++stats.connections;
  if (server_boot_id_ != envelope.boot_id())
    MESH_DEBUG("bus: new server", {{"path", path_}, {"boot_id", envelope.boot_id()}});
  server_boot_id_ = envelope.boot_id();
  set_up(true);
  // Calls made over the former connection come back as unknown, and fail.
  for (ClientWatch* const watch : watches_) watch->id = 0;
  if (!calls_.empty()) send_lease();
  reopen_watches();
  flush();
}

void Client::Impl::on_writable() {
  if (up_) flush();
}

void Client::Impl::set_up(bool up) {
  if (up_ == up) return;
  up_ = up;
  const auto watches = watches_;  // a sink may open and end others
  for (ClientWatch* const watch : watches)
    if (std::find(watches_.begin(), watches_.end(), watch) != watches_.end())
      watch->sink.on_link(up);
}

void Client::Impl::keep_lease() {
  lease_timer_.arm(limits_.lease_renew);
  if (server_boot_id_ == 0) return;
  if (loop_.now() - heard_ > limits_.lease_lapse) set_up(false);
  send_lease();
  if (up_) flush();
}

void Client::Impl::send_lease() {
  wire::Lease lease;
  for (const ClientWatch* const watch : watches_)
    if (watch->id != 0) lease.add_watch_ids(watch->id);
  for (const auto& [id, call] : calls_)
    if (call->sent) lease.add_call_ids(id);
  send(wire::KIND_LEASE, 0, 0, {}, lease.SerializeAsString());
}

void Client::Impl::on_lease(std::string_view payload) {
  const auto unknown = parse_payload<wire::Lease>(payload);
  if (!unknown) {
    ++stats.malformed;
    return;
  }
  set_up(true);
  for (const uint64_t id : unknown->watch_ids())
    if (ClientWatch* const watch = watch_of(id)) watch->open();
  for (const uint64_t id : unknown->call_ids()) lose_call(id);
  flush();
}

// Sends what waits, in the order of its weight; stops where the queue is full.
void Client::Impl::flush() {
  for (auto& [id, call] : calls_)
    if (!call->sent && !call->failed && !send_call(*call)) return;
  flush_watches();
  for (auto at = reports_.begin(); at != reports_.end();) {
    if (!send(wire::KIND_REPORT, 0, 0, at->second.type_url, at->second.payload)) return;
    ++stats.reports_sent;
    reports_bytes_ -= at->second.payload.size();
    at = reports_.erase(at);
  }
}

void Client::Impl::report(std::string type_url, std::string payload, std::string_view key) {
  if (payload.size() > limits_.payload_bytes_max) {
    ++stats.reports_dropped;
    return;
  }
  std::string place(key.empty() ? std::string_view(type_url) : key);
  const auto at = reports_.find(place);
  if (at == reports_.end() && send(wire::KIND_REPORT, 0, 0, type_url, payload)) {
    ++stats.reports_sent;
    return;
  }
  const size_t replaced = at == reports_.end() ? 0 : at->second.payload.size();
  if ((at == reports_.end() && reports_.size() >= limits_.reports_waiting_max) ||
      reports_bytes_ - replaced + payload.size() > limits_.reports_bytes_max) {
    ++stats.reports_dropped;
    return;
  }
  if (at != reports_.end()) ++stats.reports_replaced;
  reports_bytes_ += payload.size() - replaced;
  reports_.insert_or_assign(std::move(place), Report{std::move(type_url), std::move(payload)});
}

// ---- The public face

Client::Client(event::Loop& loop, std::string path, Limits limits)
    : impl_(std::make_unique<Impl>(loop, std::move(path), limits)) {}

Client::~Client() = default;

void Client::cancel(const void* owner) { impl_->cancel(owner); }

std::unique_ptr<Watch> Client::watch(std::string type_url, Node node, Sink& sink,
                                     std::vector<std::string> names) {
  return impl_->watch(std::move(type_url), std::move(node), sink, names);
}

void Client::call_bytes(std::string type_url, std::string payload, Duration deadline,
                        std::string reply_type_url, std::function<void(Result<std::string>)> done,
                        const void* owner) {
  impl_->call(std::move(type_url), std::move(payload), deadline, std::move(reply_type_url),
              std::move(done), owner);
}

void Client::report_bytes(std::string type_url, std::string payload, std::string_view key) {
  impl_->report(std::move(type_url), std::move(payload), key);
}

bool Client::up() const { return impl_->up(); }
uint64_t Client::server_boot_id() const { return impl_->server_boot_id(); }
const Client::Stats& Client::stats() const { return impl_->stats; }
Error Client::unparsable() { return {Errc::Invalid, "the reply does not parse"}; }

}  // namespace mesh::bus

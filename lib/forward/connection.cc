#include "forward/connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "forward/client_cert.h"
#include "forward/exchange.h"
#include "forward/tunnel.h"
#include "forward/worker.h"
#include "http1/server_codec.h"
#include "http2/server_codec.h"
#include "identity/spiffe_id.h"
#include "transport/tls_stream.h"

namespace mesh::forward {
namespace {

using State = Connection::State;
using std::chrono::seconds;
using transport::Transport;

constexpr seconds kSniffingMax(15);
// Where the server is known to speak first: for a TLS client's first bytes.
constexpr Duration kLearnedSniff = std::chrono::milliseconds(50);
constexpr seconds kDrainLook(1);  // between looks at exchanges that do not end

constexpr uint8_t bit(State s) { return uint8_t(1U << unsigned(s)); }

// The whole machine: name, longest stay, and where each state may lead. Zero:
// the configuration says (sniffing, drain) or it is a matter of idleness.
struct Rule {
  State state;
  std::string_view name;
  seconds stay_max;
  uint8_t next;
};
constexpr std::array kRules = std::to_array<Rule>({
    {State::Sniffing, "sniffing", seconds(0),
     uint8_t(bit(State::Handshaking) | bit(State::Closed))},
    {State::Handshaking, "handshaking", seconds(10),
     uint8_t(bit(State::Serving) | bit(State::Closed))},
    {State::Serving, "serving", seconds(0),
     uint8_t(bit(State::Draining) | bit(State::Closing) | bit(State::Closed))},
    {State::Draining, "draining", seconds(0), uint8_t(bit(State::Closing) | bit(State::Closed))},
    {State::Closing, "closing", seconds(2), bit(State::Closed)},
    {State::Closed, "closed", seconds(0), 0},
});

constexpr bool in_order() {
  for (size_t i = 0; i < kRules.size(); ++i)
    if (size_t(kRules[i].state) != i) return false;
  return true;
}
static_assert(in_order(), "kRules is indexed by State");

constexpr const Rule& rule(State s) { return kRules[size_t(s)]; }

http::Limits limits_of(const xds::FilterChain& config) {
  http::Limits limits;
  limits.head_bytes_max = size_t(config.max_request_headers_kb) * 1024;
  limits.http2 = config.http2;
  return limits;
}

}  // namespace

std::string_view to_string(State s) { return rule(s).name; }

Connection::Connection(Worker& worker, View& view, const ListenerSpec& listener)
    : worker_(worker),
      view_(&view),
      listener_(&listener),
      transport_(worker.loop(), worker.blocks(), *this),
      deadline_(worker.loop().wheel(), *this),
      last_active_(worker.loop().now()),
      accepted_(last_active_),
      inbound_(listener.config->direction == xds::TrafficDirection::Inbound) {
  view_->retain();
}

Connection::~Connection() {
  transport_.close();
  transport_.set_codec(nullptr);
  codec_.reset();  // a tunnel ends under our view
  view_->release();
}

void Connection::start(UniqueFd fd, const net::Address& destination) {
  if (destination.family() != AF_UNSPEC) {
    addresses().kept = true;
    addresses().original = destination;
    addresses().local = destination.to_string();
  }
  auto stream = std::make_unique<net::PlainStream>(std::move(fd));
  const int socket = stream->fd();
  Result<void> started;
  if (listener_->sniff) {
    sniffer_ = std::make_unique<Sniffer>(*listener_, socket, destination);
    // Never without a bound, whatever the configuration says.
    const Duration wait = listener_->config->listener_filters_timeout;
    const bool learned = listener_->learned->server_first(sniffer_->facts().destination.port());
    deadline_.arm(learned ? kLearnedSniff : wait > Duration::zero() ? wait : kSniffingMax);
    started = transport_.start(std::move(stream), Transport::Begin::Sniffing);
  } else {
    started = transport_.start(std::move(stream), Transport::Begin::Open);
    ConnectionFacts facts;
    if (!listener_->match.trivial()) {
      facts.destination =
          destination.family() == AF_UNSPEC ? net::Address::local_of(socket) : destination;
      facts.source = facts.direct_source = net::Address::peer_of(socket);
    }
    if (started) use_chain(facts);
  }
  if (!started) close(started.error().text);
}

void Connection::on_sniffable() {
  switch (sniffer_->look(transport_.stream().fd())) {
    case Sniffer::Verdict::More: return;
    case Sniffer::Verdict::Done: return end_sniffing();
    case Sniffer::Verdict::Refused: return close(sniffer_->why());
    case Sniffer::Verdict::Gone: return close("peer left before its first bytes");
  }
}

void Connection::end_sniffing() {
  const auto sniffer = std::move(sniffer_);
  const ConnectionFacts& facts = sniffer->facts();
  if (sniffer->relayed()) {
    Addresses& known = addresses();
    known.kept = true;
    known.remote = facts.source.to_string();
    known.remote_host = facts.source.host();
    known.local = facts.destination.to_string();
  }
  use_chain(facts);
  if (state_ == State::Handshaking) transport_.sniffed();
}

// Not all that was awaited came in time.
void Connection::on_sniffing_deadline() {
  if (!listener_->config->continue_on_listener_filters_timeout || sniffer_->awaits_proxy())
    return close("nothing was said in time");
  silent_client_ = sniffer_->silent();
  end_sniffing();
}

uint16_t Connection::destination_port() const {
  const net::Address original = original_destination();
  if (original.family() != AF_UNSPEC) return original.port();
  return listener_->socket ? listener_->socket->address().port() : listener_->address.port();
}

void Connection::on_server_first() {
  if (!std::exchange(silent_client_, false)) return;
  const uint16_t port = destination_port();
  if (listener_->learned->learn_server_first(port))
    log::info("the server speaks first here: clients are not waited for any more",
              {{"listener", listener_->config->name}, {"port", port}});
}

// The chain is known, and whether TLS comes.
void Connection::use_chain(const ConnectionFacts& facts) {
  enter(State::Handshaking, facts.tls ? "tls" : "clear text");
  chain_ = listener_->chain(facts);
  if (chain_ == nullptr) return close("no filter chain matches");
  if (listener_->inspect && listener_->config->tls_inspector && !facts.tls && chain_->config->tls)
    return close("clear text is refused");
  if (chain_->admission && !admit()) return;
  if (!chain_->config->tls) return;
  if (!chain_->tls) return close("our certificate is not there yet");
  UniqueFd fd = static_cast<net::PlainStream&>(transport_.stream()).release();
  auto stream = transport::TlsStream::make(chain_->tls, std::move(fd));
  if (!stream) return close(stream.error().text);
  transport_.secure(*std::move(stream));
  secure_ = true;
}

void Connection::on_established() {
  enter(State::Serving, "established");
  if (chain_->config->tcp) return begin_tunnel();
  if (!chain_->guards.empty())
    if (const auto why = refusal(*chain_); !why.empty()) return close(why);
  const std::string_view alpn = transport_.stream().alpn();
  if (alpn == "h2") set_codec(true);
  if (alpn == "http/1.1") set_codec(false);
  if (drain_when_serving_) drain("listener changed while the connection began");
}

void Connection::begin_tunnel() {
  auto tunnel = std::make_unique<Tunnel>(worker_, *this, transport_);
  Tunnel& begun = *tunnel;
  codec_ = std::move(tunnel);
  transport_.set_codec(codec_.get());
  begun.start();
}

// HTTP/2 without ALPN announces itself (RFC 9113 section 3.4).
void Connection::on_first_bytes(std::string_view bytes) {
  if (std::exchange(resting_, false)) return set_codec(false);
  constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const bool http2 = bytes.substr(0, kPreface.size()) == kPreface.substr(0, bytes.size());
  if (http2 && bytes.size() < 4) return;  // "PRI" could yet be a method
  set_codec(http2);
}

void Connection::set_codec(bool http2) {
  const http::Limits limits = limits_of(*chain_->config);
  if (http2)
    codec_ = std::make_unique<http2::ServerCodec>(transport_, *this, limits);
  else
    codec_ =
        std::make_unique<http1::ServerCodec>(transport_, *this, secure_ ? "https" : "http", limits);
  transport_.set_codec(codec_.get());
  upstream::Keepalive::Owner& owner = *this;
  const auto& keepalive = chain_->config->http2.keepalive;
  if (http2 && upstream::Keepalive::wanted(keepalive))
    keepalive_ = std::make_unique<upstream::Keepalive>(worker_.loop(), *codec_, keepalive,
                                                       worker_.random(), owner);
}

http::StreamHandler* Connection::on_stream(http::Stream& stream) {
  // A draining HTTP/1 connection answers once more and says goodbye with it.
  if (state_ == State::Draining && codec_->protocol() != http::Protocol::Http2) codec_->drain();
  ++requests_;
  if (spent() && codec_->protocol() != http::Protocol::Http2) codec_->drain();
  Exchange& exchange = worker_.take_exchange();
  return exchange.begin(*this, stream);
}

void Connection::on_progress() {
  last_active_ = worker_.loop().now();
  if (keepalive_) keepalive_->on_progress();
  if (state_ != State::Serving && state_ != State::Draining) return;
  if (transport_.state() == Transport::State::Lingering)
    return enter(State::Closing, "refused by the codec");
  if (!codec_) return;
  if (codec_->finished()) {
    enter(State::Closing, "finished");
    return transport_.close_after_flush(false, "finished");
  }
  if (spent() && state_ == State::Serving) return drain("max_requests_per_connection");
  // Part of a head, and nobody served: the rest has to come in time.
  const Duration head_max = chain_->config->request_headers_timeout;
  const bool partial =
      transport_.has_unread() && codec_->open_streams() == 0 && head_max > Duration::zero();
  if (partial && !awaiting_head_ && state_ == State::Serving) deadline_.arm(head_max);
  awaiting_head_ = partial;
}

void Connection::rest_if_idle(Duration idle) {
  if (state_ != State::Serving || !codec_ || codec_->protocol() == http::Protocol::Http2) return;
  if (codec_->open_streams() > 0 || awaiting_head_ || transport_.pending() > 0 ||
      transport_.has_unread() || worker_.loop().now() - last_active_ < idle)
    return;
  transport_.set_codec(nullptr);
  codec_.reset();
  if (addresses_ && !addresses_->kept) addresses_.reset();
  resting_ = true;
}

void Connection::rebind(View& view) {
  if (state_ == State::Closing || state_ == State::Closed) return;
  const ListenerSpec* const spec = view.snapshot().listener(listener_->config->name);
  // Nothing is decided yet where the first bytes are awaited.
  if (spec != nullptr && state_ == State::Sniffing) {
    if (sniffer_) sniffer_->rebind(*spec);
    return use(view, *spec, nullptr);
  }
  if (spec == nullptr || spec->config != listener_->config) {
    if (spec != nullptr && revoke_tunnel(*spec)) return;
    return drain("listener changed");
  }
  const ChainSpec* chain = nullptr;
  if (chain_ != nullptr) chain = &spec->chains[size_t(chain_ - listener_->chains.data())];
  // A new certificate or trust bundle: the peer is to be verified anew.
  if (secure_ && chain->tls != chain_->tls) return drain("identity renewed");
  use(view, *spec, chain);
}

void Connection::use(View& view, const ListenerSpec& listener, const ChainSpec* chain) {
  view.retain();
  std::exchange(view_, &view)->release();
  listener_ = &listener;
  chain_ = chain;
}

void Connection::drain(std::string_view why) {
  switch (state_) {
    case State::Sniffing:
    case State::Handshaking:
      // A request may be on its way already: it is answered, and is the last.
      drain_when_serving_ = true;
      return;
    case State::Serving: break;
    case State::Draining:
    case State::Closing:
    case State::Closed: return;  // on the way out already
  }
  enter(State::Draining, why);
  if (resting_) {
    enter(State::Closing, why);
    return transport_.close_after_flush(false, why);
  }
  if (!codec_) return;  // not a byte yet: the drain timeout applies
  if (codec_->protocol() == http::Protocol::Http2 || codec_->open_streams() > 0) codec_->drain();
  on_progress();
}

void Connection::on_transport_closed(std::string_view why) { enter(State::Closed, why); }

void Connection::close(std::string_view why) {
  transport_.close();
  enter(State::Closed, why);
}

void Connection::enter(State next, std::string_view why) {
  if (state_ == next) return;
  MESH_CHECK(rule(state_).next & bit(next));
  MESH_DEBUG("connection", {{"listener", listener_->config->name},
                            {"from", to_string(state_)},
                            {"to", to_string(next)},
                            {"why", why}});
  if (state_ == State::Handshaking && next == State::Closed && worker_.may_log())
    log::info("connection refused",
              {{"listener", listener_->config->name}, {"peer", remote_text()}, {"why", why}});
  state_ = next;
  switch (next) {
    case State::Closed:
      deadline_.cancel();
      worker_.loop().retire(std::move(keepalive_));
      return worker_.remove(*this);
    case State::Serving: return deadline_.arm(serving_time());
    case State::Draining: return deadline_.arm(chain_->config->drain_timeout);
    case State::Sniffing:
    case State::Handshaking:
    case State::Closing: return deadline_.arm(rule(next).stay_max);
  }
}

Duration Connection::idle_timeout() const {
  const Duration idle = chain_->config->idle_timeout;
  return idle > Duration::zero() ? idle : std::chrono::hours(1);
}

bool Connection::spent() const {
  const uint32_t most = chain_->config->max_requests_per_connection;
  return most != 0 && requests_ >= most;
}

Duration Connection::serving_time() const {
  const Duration most = chain_->config->max_connection_duration;
  if (most <= Duration::zero()) return idle_timeout();
  const Duration left = accepted_ + most - worker_.loop().now();
  return std::clamp(left, Duration::zero(), idle_timeout());
}

void Connection::on_deadline(event::Deadline&) {
  switch (state_) {
    case State::Sniffing: return on_sniffing_deadline();
    case State::Handshaking: return close("handshake timeout");
    case State::Serving: return on_serving_deadline();
    case State::Draining:
      if (!codec_ || codec_->open_streams() == 0) return close("drained");
      codec_->drain();
      // Exchanges have deadlines of their own; the worker's drain has the last word.
      return deadline_.arm(std::max<Duration>(chain_->config->drain_timeout, kDrainLook));
    case State::Closing: return close("deadline");
    case State::Closed: return;
  }
}

// Idleness is not armed anew by each request, but looked at when it might be over.
void Connection::on_serving_deadline() {
  const Instant now = worker_.loop().now();
  if (awaiting_head_) {
    enter(State::Closing, "request head timeout");
    return transport_.close_after_flush(false, "request head timeout");
  }
  const Duration longest = chain_->config->max_connection_duration;
  if (longest > Duration::zero() && now - accepted_ >= longest)
    return drain("max_connection_duration");
  const Instant over = last_active_ + idle_timeout();
  if (codec_ && codec_->open_streams() > 0) return deadline_.arm(serving_time());
  if (now < over) return deadline_.arm(std::min(over - now, serving_time()));
  if (chain_->config->idle_timeout <= Duration::zero()) return deadline_.arm(serving_time());
  drain("idle");
}

telemetry::PeerId Connection::peer() {
  if (std::exchange(peer_known_, true)) return peer_;
  telemetry::Peer peer;
  peer.principal = stream().peer_identity();
  if (const auto id = identity::SpiffeId::parse(peer.principal))
    if (const auto workload = id->workload()) peer.workload_namespace = workload->ns;
  return peer_ = worker_.telemetry().peer(peer);
}

Connection::Addresses& Connection::addresses() {
  if (!addresses_) addresses_ = std::make_unique<Addresses>();
  return *addresses_;
}

const std::string& Connection::remote_text() {
  std::string& text = addresses().remote;
  if (text.empty()) text = net::Address::peer_of(stream().fd()).to_string();
  return text;
}

const std::string& Connection::remote_host() {
  std::string& text = addresses().remote_host;
  if (text.empty()) text = net::Address::peer_of(stream().fd()).host();
  return text;
}

// What is redirected on its way out of this host comes to a loopback address (netfilter's
// REDIRECT in OUTPUT), which nobody else can send to.
bool Connection::trusted() {
  if (listener_->config->direction != xds::TrafficDirection::Outbound) return false;
  const int fd = stream().fd();
  return net::Address::peer_of(fd).is_loopback() ||
         (original_destination().family() != AF_UNSPEC && net::Address::local_of(fd).is_loopback());
}

std::string_view Connection::client_cert() {
  if (!secure_) return {};
  std::optional<std::string>& text = addresses().client_cert;
  if (!text) {
    text.emplace();
    const auto& session = static_cast<const transport::TlsStream&>(stream()).session();
    if (const auto peer = session.peer_certificate())
      text = client_cert_element(*peer, session.own_certificate(), chain_->config->edge);
  }
  return *text;
}

const std::string& Connection::local_text() {
  std::string& text = addresses().local;
  if (text.empty()) text = net::Address::local_of(stream().fd()).to_string();
  return text;
}

const authz::Connection& Connection::facts() {
  std::optional<authz::Connection>& facts = addresses().facts;
  if (facts) return *facts;
  const net::Address local = local_address();
  facts = {.principal = stream().peer_identity(),
           .secure = secure_,
           .server_name = stream().sni(),
           .direct_remote = authz::Ip::parse(net::Address::peer_of(stream().fd()).host()),
           .remote = authz::Ip::parse(remote_host()),
           .destination = authz::Ip::parse(local.host()),
           .destination_port = local.port()};
  return *facts;
}

net::Address Connection::remote_address() {
  const auto address = net::Address::parse(remote_text());
  return address ? *address : net::Address();
}

net::Address Connection::local_address() {
  const auto address = net::Address::parse(local_text());
  return address ? *address : net::Address();
}

}  // namespace mesh::forward

// Connection: a client's connection, from accept to close.
//
//   Sniffing -> Handshaking -> Serving -> Draining -> Closing -> Closed
//       \_______ clear text ______^ \________________^  ^
//   any state before it: error, deadline, peer gone ----+
//
// Owned by its worker. It never deletes itself: entering Closed has the worker
// retire it to the end of the turn. Exchanges come and go on its codec's
// streams; each ends (a reset at the latest) before the connection does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "authz/request.h"
#include "base/unique_fd.h"
#include "event/loop.h"
#include "forward/admission.h"
#include "forward/sniffer.h"
#include "forward/view.h"
#include "http/codec.h"
#include "telemetry/registry.h"
#include "transport/transport.h"
#include "upstream/keepalive.h"

namespace mesh::forward {

class Worker;

class Connection final : private transport::Transport::Owner,
                         public http::ServerHandler,
                         private event::Deadline::Owner,
                         private upstream::Keepalive::Owner {
 public:
  enum class State : uint8_t {
    Sniffing,     // waiting for bytes that tell TLS from clear text
    Handshaking,  // TLS in progress
    Serving,      // the codec owns the bytes; exchanges come and go
    Draining,     // the next response says goodbye; waiting for what is in flight
    Closing,      // flushing our last bytes; input is dropped
    Closed,       // retired: only the destructor may run
  };

  // `view` is pinned; `listener` belongs to its snapshot.
  Connection(Worker& worker, View& view, const ListenerSpec& listener);
  ~Connection();

  // `destination`: where it was going before it was redirected; else AF_UNSPEC.
  void start(UniqueFd fd, const net::Address& destination);
  // A new configuration: goes on under it where the listener is the same, else
  // drains under the old one.
  void rebind(View& view);
  // No new exchange: HTTP/2 gets GOAWAY at once; HTTP/1 closes with its next
  // response, or after the chain's drain timeout where none comes.
  void drain(std::string_view why);
  // At once. The streams are reset.
  void abort(std::string_view why) { transport_.abort(why); }
  // Gives back, where HTTP/1 has been idle for so long, what the next request makes again:
  // the codec and the addresses' texts. For the worker's sweep.
  void rest_if_idle(Duration idle);
  bool resting() const { return resting_; }
  // A stream was resumed, or ended, from outside its codec's events.
  void kick() { transport_.kick(); }
  void look_again() { transport_.look_again(); }

  State state() const { return state_; }
  View& view() { return *view_; }
  const ListenerSpec& listener() const { return *listener_; }
  const ChainSpec& chain() const { return *chain_; }
  bool inbound() const { return inbound_; }
  bool secure() const { return secure_; }
  net::Stream& stream() { return transport_.stream(); }
  telemetry::PeerId peer();
  const std::string& remote_text();  // "10.0.0.7:51234"
  const std::string& remote_host();  // "10.0.0.7"
  const std::string& local_text();
  // Whose x-envoy-* fields are honoured: an application of this host on its way out.
  bool trusted();
  // The element of x-forwarded-client-cert that says who it is; empty where the peer
  // has proved nothing.
  std::string_view client_cert();
  // As the texts say: the client's, where the PROXY protocol told it.
  net::Address remote_address();
  net::Address local_address();
  // What policies are asked about. Valid as long as we are.
  const authz::Connection& facts();
  // Why policies of connections refuse this one under `chain`: RESPONSE_CODE_DETAILS, of the
  // chain's configuration; empty: they do not, and `asks`, where it is not null, has the
  // authorizers that are to be asked.
  std::string_view refusal(const ChainSpec& chain, std::vector<filter::Ask>* asks = nullptr);
  // AF_UNSPEC where nobody redirected it.
  net::Address original_destination() const {
    return addresses_ ? addresses_->original : net::Address();
  }
  // The server spoke first, to a client that was waited for in vain.
  void on_server_first();

  uint32_t slot = 0;  // in the worker's list

 private:
  // The only writer of state_. Checks the step, logs it, arms its deadline.
  void enter(State next, std::string_view why);
  void close(std::string_view why);
  void use(View& view, const ListenerSpec& listener, const ChainSpec* chain);
  void use_chain(const ConnectionFacts& facts);
  bool admit();  // false: it is closed
  void set_codec(bool http2);
  void begin_tunnel();
  bool revoke_tunnel(const ListenerSpec& listener);  // true: it is closed
  Duration idle_timeout() const;
  bool spent() const;             // it had the requests that it may have
  Duration serving_time() const;  // until it is to be looked at again

  void on_sniffable() override;
  void end_sniffing();
  uint16_t destination_port() const;  // for what is learned
  void on_sniffing_deadline();
  void on_established() override;
  void on_first_bytes(std::string_view bytes) override;
  void on_progress() override;
  void on_transport_closed(std::string_view why) override;
  http::StreamHandler* on_stream(http::Stream& stream) override;
  void on_deadline(event::Deadline&) override;
  void on_keepalive_timeout() override { abort("keepalive timeout"); }
  void on_serving_deadline();

  Worker& worker_;
  View* view_;  // retained
  const ListenerSpec* listener_;
  const ChainSpec* chain_ = nullptr;
  transport::Transport transport_;
  std::unique_ptr<http::Codec> codec_;
  std::unique_ptr<upstream::Keepalive> keepalive_;  // null: not configured
  std::unique_ptr<Sniffer> sniffer_;                // while Sniffing
  event::Deadline deadline_;
  Instant last_active_{};
  Instant accepted_{};
  uint32_t requests_ = 0;
  State state_ = State::Sniffing;
  bool inbound_ = false;
  bool secure_ = false;
  bool drain_when_serving_ = false;
  bool silent_client_ = false;  // it was waited for, and said nothing
  bool awaiting_head_ = false;  // part of a head is here: deadline_ bounds the rest
  bool resting_ = false;        // HTTP/1 whose codec was given back
  bool peer_known_ = false;
  telemetry::PeerId peer_ = telemetry::kUnknownPeer;
  // For logs and edges; made when asked for, so that others need no room for it.
  struct Addresses {
    bool kept = false;  // holds what the socket does not tell again
    std::string remote, remote_host, local;
    net::Address original;
    ConnectionPlace place;
    std::optional<std::string> client_cert;
    std::optional<authz::Connection> facts;
  };
  Addresses& addresses();
  std::unique_ptr<Addresses> addresses_;
};

std::string_view to_string(Connection::State state);

}  // namespace mesh::forward

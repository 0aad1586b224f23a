// The inside of bus::Server: server.cc (life, messages), server_watches.cc.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "bus/open_calls.h"
#include "bus/server.h"
#include "bus/socket.h"
#include "bus/socket_file.h"
#include "bus/watcher_state.h"
#include "event/timer.h"

namespace mesh::bus {

class Server::Impl final : public Socket::Owner, private event::Loop::TurnEnd {
 public:
  Impl(event::Loop& loop, Options options);

  Result<void> bind();
  Result<void> start();

  struct Answerer {
    Allow allow;
    AnswerBytes handle;
  };
  struct Collector {
    Allow allow;
    CollectBytes handle;
  };
  struct Source {
    Allow allow;
    WatchProvider* provider;
  };
  template <class Entry>
  using ByType = std::map<std::string, Entry, std::less<>>;

  event::Loop& loop;
  Options options;
  mutable Stats stats;
  ByType<Answerer> answerers;
  ByType<Collector> collectors;
  ByType<Source> sources;
  size_t watches() const { return watchers_.size(); }
  size_t peers() const { return peers_.size(); }
  size_t calls_open() const { return calls_.size(); }

 private:
  class ServerWatcher;

  // A connection that has spoken.
  struct PeerState {
    Peer peer;
    Instant seen;
    std::map<uint64_t, uint64_t> watches;  // the client's id to ours
  };
  using Peers = std::map<std::string, PeerState, std::less<>>;  // by routing id

  // Messages (server.cc)
  void on_message(const Socket::Message& message) override;
  void on_writable() override;
  void on_turn_end() override;
  PeerState* touch(std::string_view routing_id, const Peer& peer, bool new_connection);
  bool make_room();
  void dispatch(const std::string& routing_id, PeerState& from, const wire::Envelope& envelope,
                std::string_view payload);
  void on_call(const std::string& routing_id, PeerState& from, const wire::Envelope& envelope,
               std::string_view payload);
  void on_report(PeerState& from, const wire::Envelope& envelope, std::string_view payload);
  void on_lease(const std::string& routing_id, PeerState& from, std::string_view payload);
  Socket::Sent send(const std::string& routing_id, wire::Kind kind, uint64_t id,
                    std::string_view type_url, std::string_view payload);
  void send_error(const std::string& routing_id, uint64_t id, const Error& error);
  void deliver(const OpenCalls::Call& call, const std::string& type_url, const std::string& payload,
               const Error* error);
  void sweep();
  Duration sweep_every() const;
  Result<void> listen();
  void check_accepting();

  // Watches (server_watches.cc)
  void on_watch_request(const std::string& routing_id, PeerState& from,
                        const wire::Envelope& envelope, std::string_view payload);
  Result<ServerWatcher*> open_watch(const std::string& routing_id, PeerState& from,
                                    const wire::Envelope& envelope,
                                    const wire::WatchRequest& request);
  void tell_provider(ServerWatcher& watcher, const WatcherState::Events& events);
  void touched(ServerWatcher& watcher);
  std::shared_ptr<const Node> node_of(const PeerState& from, const wire::Node& said) const;
  void flush(ServerWatcher& watcher);
  void set_unanswered(ServerWatcher& watcher, size_t bytes);
  void end_watch(uint64_t id);
  void drop_peer(Peers::iterator at);

  std::optional<SocketFile> file_;
  std::unique_ptr<Socket> socket_;
  Peers peers_;
  OpenCalls calls_;
  NameTable names_;  // of what watchers hold
  std::map<uint64_t, std::unique_ptr<ServerWatcher>> watchers_;
  size_t unanswered_bytes_ = 0;  // of watch responses
  uint64_t watcher_id_ = 0;
  std::set<uint64_t> touched_;  // watchers with something to send or to end
  std::set<uint64_t> blocked_;  // watchers whose peer's queue had no room
  std::set<std::string> gone_;  // connections found dead while sending
  Instant swept_{};
  event::Timer sweep_timer_;
};

class Server::Impl::ServerWatcher final : public Watcher {
 public:
  ServerWatcher(Impl& server, std::string routing_id, uint64_t client_id, const Peer& peer,
                std::shared_ptr<const Node> node, std::string_view type_url, WatchProvider& source)
      : provider(source),
        routing(std::move(routing_id)),
        theirs(client_id),
        state(server.options.limits, server.names_),
        server_(server),
        id_(++server.watcher_id_),
        peer_(peer),
        node_(std::move(node)),
        type_url_(type_url) {}

  const Peer& peer() const override { return peer_; }
  const Node& node() const override { return *node_; }
  const std::shared_ptr<const Node>& shared_node() const { return node_; }
  std::string_view type_url() const override { return type_url_; }
  uint64_t id() const override { return id_; }
  bool wants(std::string_view name) const override { return state.wants(name); }
  bool wants_all() const override { return state.wants_all(); }
  void offer(std::string_view name, std::string_view version,
             std::shared_ptr<const std::string> body) override;
  void withdraw(std::string_view name) override;
  void mark(std::string_view generation) override;
  void complete() override;
  bool idle() const override { return state.idle(); }
  void refuse(Error error) override;

  WatchProvider& provider;
  const std::string routing;
  const uint64_t theirs;  // the client's id of this watch
  WatcherState state;
  std::string unsent;          // a response that the peer's queue had no room for
  size_t unanswered = 0;       // bytes of the response in flight
  std::optional<Error> ended;  // refused: to be told and removed

 private:
  Impl& server_;
  const uint64_t id_;
  const Peer peer_;
  const std::shared_ptr<const Node> node_;  // one for all watches of a peer that say the same
  const std::string_view type_url_;         // of Impl::sources
};

}  // namespace mesh::bus

// Watches: state that changes, by type and name.
//
// A server's WatchProvider offers resources to each Watcher; a client's Sink
// hears what changed. Between them the protocol coalesces by name, has at most
// one unacknowledged response a watch, sends nothing the other side holds
// already, and survives the death of either side. The semantics are those of
// xDS's incremental protocol (envoyproxy.io, "xDS REST and gRPC protocol",
// Incremental xDS). All on the loop's thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bus/peer.h"

namespace mesh::bus {

// Subscribes to every resource of the type.
inline constexpr std::string_view kAll = "*";

// Who watches, in its own words: a claim, not an identity.
struct Node {
  std::string id{};  // "NAME@HOST"
  std::string workload{};
  std::string workload_namespace{};
  std::map<std::string, std::string> labels{};
  std::map<std::string, std::string> metadata{};
  bool operator==(const Node&) const = default;
};

// ---- Client side

struct Resource {
  std::string_view name;
  std::string_view version;
  std::string_view body;
};

struct Rejection {
  std::string name;
  std::string reason;
};

// What changed since the last one. The views live as long as the call.
struct Update {
  std::vector<Resource> changed;          // added, or another version
  std::vector<std::string_view> removed;  // gone, or asked for by name and absent
  // Not empty: with this update all that belongs to the generation is here.
  std::string_view generation;
};

class Sink {
 public:
  // Use `update`, or say why not. An error rejects the whole update; names put
  // into `rejected` reject those resources alone. What is rejected counts as
  // not received: the version held before stands, and the server hears the
  // reason and does not send that version again to this watch.
  // May destroy neither the Watch nor the Client.
  virtual Result<void> on_update(const Update& update, std::vector<Rejection>& rejected) = 0;

  // The server is reachable (again), or was not heard of for a lease. State
  // received stays valid either way. For status displays.
  virtual void on_link(bool /*up*/) {}

  // The server refuses this watch (type unknown, Allow, provider's word). It
  // is tried again after some seconds, and at once with a new server.
  virtual void on_refused(const Error& /*error*/) {}

 protected:
  ~Sink() = default;
};

// A client's watch. Destroying it ends it. It must not outlive its Client.
class Watch {
 public:
  virtual ~Watch() = default;

  // Adds names ("*" for all). Those already subscribed are skipped.
  virtual void subscribe(const std::vector<std::string>& names) = 0;
  virtual void unsubscribe(const std::vector<std::string>& names) = 0;

  // Says that all resources of `generation` are in use here. Repeated to a
  // new server by itself.
  virtual void in_force(std::string_view generation) = 0;

  // What the caller keeps from an earlier life (a forwarder's last good
  // resources on disk). Before the first turn of the loop only.
  virtual void already_have(std::string_view name, std::string_view version) = 0;
};

// ---- Server side

// One watch of one peer, as the provider sees it. Valid from on_open() to
// on_gone(). Offering is cheap: bodies are shared, nothing is sent before the
// turn of the loop ends.
class Watcher {
 public:
  virtual const Peer& peer() const = 0;
  virtual const Node& node() const = 0;
  virtual std::string_view type_url() const = 0;
  virtual uint64_t id() const = 0;  // unique in this server's life

  // Subscribed to `name` by itself or by "*".
  virtual bool wants(std::string_view name) const = 0;
  virtual bool wants_all() const = 0;

  // The state of `name` now. Skipped when not subscribed, when the watcher has
  // that version, or has rejected it. `version` is never empty. A body over
  // Limits::payload_bytes_max / 2 is logged, counted and not sent.
  virtual void offer(std::string_view name, std::string_view version,
                     std::shared_ptr<const std::string> body) = 0;

  // `name` does not exist (any more). Sent if the watcher holds it or asked
  // for it by name.
  virtual void withdraw(std::string_view name) = 0;

  // All that belongs to `generation` has been offered. The marker follows it
  // on the wire; a newer one replaces one not sent yet. On the first after
  // on_open() what the watcher held from an earlier life and was not offered
  // is withdrawn: so a provider that has no state yet does not mark.
  virtual void mark(std::string_view generation) = 0;

  // mark() for providers without generations.
  virtual void complete() = 0;

  // All that was offered, withdrawn and marked has been sent and answered.
  virtual bool idle() const = 0;

  // Ends the watch with a reason; on_gone() follows at the end of the turn.
  virtual void refuse(Error error) = 0;

 protected:
  ~Watcher() = default;
};

// The source of one resource type. Outlives the Server.
class WatchProvider {
 public:
  // A new watch. An error refuses it (on_gone() does not follow).
  virtual Result<void> on_open(Watcher&) { return {}; }
  // Names (or "*") newly subscribed, never empty: offer what exists, withdraw
  // what does not, then mark().
  virtual void on_subscribe(Watcher&, const std::vector<std::string>& names) = 0;
  virtual void on_unsubscribe(Watcher&, const std::vector<std::string>& /*names*/) {}
  // A response was acknowledged; `generation` is its marker, or empty.
  virtual void on_ack(Watcher&, std::string_view /*generation*/) {}
  // The watcher could not use `version` of `name`.
  virtual void on_nack(Watcher&, std::string_view /*name*/, std::string_view /*version*/,
                       std::string_view /*reason*/) {}
  // The watcher says that `generation` is in use.
  virtual void on_in_force(Watcher&, std::string_view /*generation*/) {}
  // Closed, lapsed, or its connection is gone. The last call for it.
  virtual void on_gone(Watcher&) {}

 protected:
  ~WatchProvider() = default;
};

}  // namespace mesh::bus

// Sniffer: what the first bytes of a connection tell before its chain is chosen:
// the PROXY protocol's header (taken off), then TLS with its server name and
// protocols, or HTTP (looked at only).
//
// Bounded by bytes here, by time by its owner. Made for a connection that needs it,
// gone once its chain is known. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "forward/chain_match.h"
#include "forward/snapshot.h"

namespace mesh::forward {

class Sniffer {
 public:
  // Of a request's line, while the protocol is guessed.
  static constexpr size_t kRequestLineMax = 8 * 1024;

  enum class Verdict : uint8_t {
    More,     // nothing is decided: come again when more bytes are there
    Done,     // facts() say all there is to know
    Refused,  // why() says what was wrong
    Gone,     // the peer left
  };

  // `listener` outlives us.
  // `destination`: of a connection that was redirected; else AF_UNSPEC.
  Sniffer(const ListenerSpec& listener, int fd, const net::Address& destination);

  // The listener under a new configuration, which outlives us too.
  void rebind(const ListenerSpec& listener) {
    listener_ = &listener;
    proxy_ = proxy_ && listener.config->proxy_protocol;
  }

  // Looks at what came.
  Verdict look(int fd);

  const ConnectionFacts& facts() const { return facts_; }
  std::string_view why() const { return why_; }
  // Not a byte came: a protocol in which the server speaks first.
  bool silent() const { return silent_; }
  bool awaits_proxy() const { return proxy_; }
  // The PROXY protocol named another client than the socket's peer.
  bool relayed() const { return relayed_; }

 private:
  Verdict look_proxy(int fd, std::string_view bytes);
  Verdict look_protocol(std::string_view bytes);
  Verdict look_http(std::string_view bytes);

  const ListenerSpec* listener_;
  ConnectionFacts facts_;
  std::string server_name_;
  std::vector<std::string> protocols_;
  std::string_view why_;
  bool proxy_ = false;  // its header is awaited
  bool silent_ = true;
  bool relayed_ = false;
};

}  // namespace mesh::forward

// Upgrades and CONNECT: which tunnels a request may ask for, and what WebSocket
// needs where its handshake crosses between HTTP/1.1 and HTTP/2.
#pragma once

#include <cstdint>

#include "base/random.h"
#include "forward/scratch.h"
#include "http/message.h"
#include "route/table.h"
#include "xds/values.h"

namespace mesh::forward {

enum class TunnelRule : uint8_t {
  Unknown,    // nothing names it
  Disabled,   // named, and switched off
  Pass,       // the upstream is asked for it in its turn
  Terminate,  // CONNECT ends here: the endpoint gets the tunnel's bytes alone
};

// Envoy's upgrade_configs: the route's word goes before the connection manager's.
// `head` asks for a tunnel; `route` may be null.
TunnelRule tunnel_rule(const http::RequestHead& head, const route::Route* route,
                       const xds::FilterChain& chain);

// RFC 6455 has a key in the request and its hash in the answer, RFC 8441 neither.
// Gives a request that came over HTTP/2 the key an HTTP/1.1 upstream asks for;
// true when it had none. No secret: it shows that the peer speaks WebSocket.
bool add_websocket_key(http::RequestHead& head, Random& random, Scratch& scratch);
// Of the 101 that answers `request`: the hash for a client of HTTP/1.1 whose
// upstream spoke HTTP/2, and none for one that brought no key (`key_added`).
void settle_websocket_accept(const http::RequestHead& request, bool key_added,
                             http::ResponseHead& response, Scratch& scratch);

}  // namespace mesh::forward

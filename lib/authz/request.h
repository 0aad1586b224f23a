// Request: what is known of a call when it is judged. Views; valid for the call.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "authz/ip_range.h"
#include "route/route.h"

namespace mesh::authz {

// Of the connection.
struct Connection {
  // The URI of the peer's verified certificate, "spiffe://..."; empty: it has proved
  // nothing. Never from anything that the peer only says.
  std::string_view principal = {};
  bool secure = false;                // under TLS
  std::string_view server_name = {};  // that the client asked for (SNI)
  Ip direct_remote{};                 // whose socket it is
  Ip remote{};                        // whose connection it is, by the PROXY protocol
  Ip destination{};
  uint16_t destination_port = 0;
};

struct Request {
  const Connection& connection;
  // Null for a connection that is judged as a whole: nothing of HTTP holds for it.
  const route::Request* http = nullptr;
  // The client as X-Forwarded-For has it, as far as that is believed; else
  // connection.remote.
  Ip remote{};
  std::span<const route::TokenClaims> claims = {};
};

}  // namespace mesh::authz

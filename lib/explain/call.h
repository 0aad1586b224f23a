// Call: a request as it reaches a forwarder, and what is known of its connection.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "http/message.h"
#include "route/route.h"

namespace mesh::explain {

struct Call {
  std::string method = "GET";
  std::string scheme = "http";
  std::string authority = {};
  std::string path = "/";                                         // with the query
  std::vector<std::pair<std::string, std::string>> headers = {};  // names in lower case
  // How it comes: in clear text, or under TLS with a verified identity (a URI).
  bool tls = false;
  std::string principal = {};
  std::string server_name = {};
  std::vector<std::string> alpn = {};
  std::string source_ip = {};    // empty: not known
  std::string destination = {};  // ADDRESS:PORT that is called
  WallTime now = {};             // when it comes, for tokens that expire
};

// Views into the call, which outlives them.
http::Fields fields_of(const Call& call);
route::Request request_of(const Call& call, const http::Fields& fields);

}  // namespace mesh::explain

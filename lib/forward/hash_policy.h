// request_hash: what a route's hash policies make of a request.
//
// Semantics: Envoy, config.route.v3 RouteAction.HashPolicy: xxHash64 of a field, a
// cookie, the client's address or a query parameter; several are combined, a terminal
// one that gave a hash ends it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "route/actions.h"

namespace mesh::forward {

class Connection;

// Cookies that were made, to be set with the response, are added to `cookies`. The same
// for all requests of a connection. Nullopt: no policy applies.
std::optional<uint64_t> request_hash(const std::vector<route::HashPolicy>& policies,
                                     const http::RequestHead& head, Connection& connection,
                                     std::vector<std::string>& cookies);

}  // namespace mesh::forward

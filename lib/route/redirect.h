// Where a redirect sends the client.
#pragma once

#include <string>
#include <string_view>

#include "route/route.h"

namespace mesh::route {

// The value of Location for `route`, which has a redirect. `forwarded_proto` is the
// request's x-forwarded-proto, or empty. Pure. Envoy, config.route.v3.RedirectAction:
// the port of the request's authority stays, unless the redirect names one, or the
// scheme changes and it was the old scheme's own.
std::string location(const Route& route, const Request& request, std::string_view forwarded_proto);

}  // namespace mesh::route

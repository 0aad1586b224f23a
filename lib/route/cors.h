// Cors: which origins a policy grants, and which requests are questions of browsers.
//
// Envoy's CORS filter; fetch.spec.whatwg.org, "CORS-preflight fetch". Pure; no allocation.
#pragma once

#include <string_view>

#include "route/actions.h"
#include "route/route.h"

namespace mesh::route {

// Of allow_origins what holds for the origin; null: it is granted nothing.
const TextMatch* granted_by(const CorsPolicy& policy, std::string_view origin);

// OPTIONS with Origin and Access-Control-Request-Method.
bool is_preflight(const Request& request);

// Whether a forwarder answers such a preflight itself: those of origins that are not granted
// may go upstream.
bool answers_preflight(const CorsPolicy& policy, const TextMatch* granted);

}  // namespace mesh::route

// x-forwarded-client-cert: who the downstream proved to be (Envoy, "HTTP header
// manipulation"; HttpConnectionManager.forward_client_cert_details).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "forward/scratch.h"
#include "http/message.h"
#include "identity/certificate.h"
#include "xds/values.h"

namespace mesh::forward {

// One element: By (the URIs of the certificate that we showed), Hash, and Subject, URI, DNS
// as the edge asks.
std::string client_cert_element(const identity::Certificate& peer,
                                const std::optional<identity::Certificate>& own,
                                const xds::Edge& edge);

// What becomes of the field. `element` is the connection's, empty where the peer has
// proved nothing: then nobody's word is forwarded but by ALWAYS_FORWARD_ONLY.
void apply_client_cert(http::Fields& fields, xds::Edge::ClientCert mode, std::string_view element,
                       Scratch& scratch);

}  // namespace mesh::forward

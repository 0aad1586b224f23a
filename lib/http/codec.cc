#include "http/codec.h"

#include "base/check.h"

namespace mesh::http {

std::string_view to_string(ResetReason reason) {
  switch (reason) {
    case ResetReason::Cancelled: return "cancelled";
    case ResetReason::Refused: return "refused";
    case ResetReason::ProtocolError: return "protocol error";
    case ResetReason::InternalError: return "internal error";
    case ResetReason::ConnectionLost: return "connection lost";
    case ResetReason::LimitExceeded: return "limit exceeded";
  }
  return "unknown";
}

// Each side overrides the events and calls that its role knows; that the other
// role's are never used is our own invariant.
void StreamHandler::on_request_head(RequestHead&, bool) { MESH_CHECK(!"a client got a request"); }
void StreamHandler::on_informational(ResponseHead&) {}
void StreamHandler::on_response_head(ResponseHead&, bool) {
  MESH_CHECK(!"a server got a response");
}
void Stream::send_request_head(const RequestHead&, bool) { MESH_CHECK(!"a server sends requests"); }
void Stream::send_response_head(const ResponseHead&, bool) {
  MESH_CHECK(!"a client sends responses");
}
void Stream::send_informational(const ResponseHead&) { MESH_CHECK(!"a client sends responses"); }

}  // namespace mesh::http

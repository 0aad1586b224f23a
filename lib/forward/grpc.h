// gRPC as a proxy sees it: which requests are, and how it says what became of them.
//
// gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md), statuses by
// grpc/doc/http-grpc-status-mapping.md. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace mesh::forward {

// By its content type: application/grpc and its variants.
bool is_grpc(const http::Fields& fields);

// What a gRPC caller is told where an answer of ours has this HTTP status.
int grpc_status_of(uint16_t http_status);

// grpc-status of an answer's head or trailers; nullopt where there is none, or no number.
std::optional<uint8_t> grpc_status_in(const http::Fields& fields);

// A text as grpc-message has it: bytes outside of printable ASCII, and "%", as %XX, of at
// most 1024 bytes of it (PROTOCOL-HTTP2.md, "Status-Message"). A field is no page.
std::string grpc_message(std::string_view text);

}  // namespace mesh::forward

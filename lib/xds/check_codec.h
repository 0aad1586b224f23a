// CheckCodec: envoy.service.auth.v3.Authorization, the question and the answer as bytes.
//
// Framed as gRPC has it: a byte that says that nothing is compressed, four of the length, the
// message (grpc/doc/PROTOCOL-HTTP2.md). Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "authz/check.h"

namespace mesh::xds {

inline constexpr std::string_view kCheckPath = "/envoy.service.auth.v3.Authorization/Check";
// The longest answer.
inline constexpr size_t kCheckAnswerBytesMax = 1 << 20;

std::string encode_check(const authz::ExtAuthz& config, const authz::CheckRequest& request);

// Kind::Error where these are not the bytes of exactly one message; Kind::Invalid where the
// message has what is no header, status or parameter.
authz::CheckAnswer decode_check(std::string_view framed);

}  // namespace mesh::xds

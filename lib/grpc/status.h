// Status: how a call ended (grpc/doc/statuscodes.md), and its form on the wire.
//
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/codec.h"

namespace mesh::grpc {

enum class Code : uint8_t {
  Ok = 0,
  Cancelled = 1,
  Unknown = 2,
  InvalidArgument = 3,
  DeadlineExceeded = 4,
  NotFound = 5,
  AlreadyExists = 6,
  PermissionDenied = 7,
  ResourceExhausted = 8,
  FailedPrecondition = 9,
  Aborted = 10,
  OutOfRange = 11,
  Unimplemented = 12,
  Internal = 13,
  Unavailable = 14,
  DataLoss = 15,
  Unauthenticated = 16,
};

// "OK", "CANCELLED", ..., as statuscodes.md spells them.
std::string_view to_string(Code code);

struct Status {
  Code code = Code::Ok;
  std::string message{};

  bool ok() const { return code == Code::Ok; }
  // "UNAVAILABLE: connection refused".
  std::string text() const;
  // As an error of ours; only where it is not ok.
  Error error() const;
  static Status of(const Error& error);
  bool operator==(const Status&) const = default;
};

// grpc-status: a decimal number. What is none, or not in the table, is Unknown.
Code parse_code(std::string_view text);
// What a response without grpc-status means (grpc/doc/http-grpc-status-mapping.md).
Code code_of_http(uint16_t status);
// What a stream's end before its time means (PROTOCOL-HTTP2.md, "Errors").
Status status_of(http::ResetReason reason);

// grpc-message (PROTOCOL-HTTP2.md, "Status-Message"): bytes outside of printable ASCII,
// and "%", as %XX. What is not of that form when decoding stays as it is.
std::string encode_message(std::string_view text);
std::string decode_message(std::string_view text);

}  // namespace mesh::grpc

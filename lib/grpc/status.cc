#include "grpc/status.h"

#include <array>
#include <charconv>

namespace mesh::grpc {
namespace {

constexpr std::array<std::string_view, 17> kNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

Code code_of(Errc kind) {
  switch (kind) {
    case Errc::Invalid: return Code::InvalidArgument;
    case Errc::NotFound: return Code::NotFound;
    case Errc::Refused: return Code::PermissionDenied;
    case Errc::TooBig: return Code::ResourceExhausted;
    case Errc::Unavailable: return Code::Unavailable;
    case Errc::Timeout: return Code::DeadlineExceeded;
    case Errc::Closed: return Code::Cancelled;
    case Errc::System:
    case Errc::Internal: break;
  }
  return Code::Internal;
}

Errc kind_of(Code code) {
  switch (code) {
    case Code::InvalidArgument:
    case Code::OutOfRange:
    case Code::FailedPrecondition:
    case Code::Unimplemented: return Errc::Invalid;
    case Code::NotFound: return Errc::NotFound;
    case Code::PermissionDenied:
    case Code::Unauthenticated: return Errc::Refused;
    case Code::ResourceExhausted: return Errc::TooBig;
    case Code::Unavailable:
    case Code::Aborted: return Errc::Unavailable;
    case Code::DeadlineExceeded: return Errc::Timeout;
    case Code::Cancelled: return Errc::Closed;
    default: return Errc::Internal;
  }
}

}  // namespace

std::string_view to_string(Code code) {
  return size_t(code) < kNames.size() ? kNames[size_t(code)] : "UNKNOWN";
}

std::string Status::text() const {
  std::string text(to_string(code));
  if (!message.empty()) text.append(": ").append(message);
  return text;
}

Error Status::error() const { return {kind_of(code), text()}; }

Status Status::of(const Error& error) { return {code_of(error.kind), error.text}; }

Code parse_code(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value >= kNames.size())
    return Code::Unknown;
  return Code(value);
}

Code code_of_http(uint16_t status) {
  switch (status) {
    case 400: return Code::Internal;
    case 401: return Code::Unauthenticated;
    case 403: return Code::PermissionDenied;
    case 404: return Code::Unimplemented;
    case 429:
    case 502:
    case 503:
    case 504: return Code::Unavailable;
    default: return Code::Unknown;
  }
}

Status status_of(http::ResetReason reason) {
  using enum http::ResetReason;
  switch (reason) {
    case Cancelled: return {Code::Cancelled, "the peer cancelled the stream"};
    case Refused: return {Code::Unavailable, "the peer refused the stream"};
    case ConnectionLost: return {Code::Unavailable, "the connection was lost"};
    case LimitExceeded: return {Code::ResourceExhausted, "the peer's limit was reached"};
    case ProtocolError: return {Code::Internal, "the peer broke the protocol"};
    case InternalError: break;
  }
  return {Code::Internal, "the stream failed"};
}

std::string encode_message(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c >= 0x20 && c <= 0x7e && c != '%') {
      out += c;
      continue;
    }
    out += '%';
    out += kDigits[uint8_t(c) >> 4];
    out += kDigits[uint8_t(c) & 15];
  }
  return out;
}

std::string decode_message(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      out += char(digit(text[i + 1]) << 4 | digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace mesh::grpc

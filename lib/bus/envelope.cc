#include "bus/envelope.h"

#include <algorithm>

#include "base/utf8.h"
namespace mesh::bus {
namespace {

Error invalid(const char* text) { return Error{Errc::Invalid, text}; }

}  // namespace

Result<wire::Envelope> parse_envelope(std::string_view bytes) {
  if (bytes.size() > kEnvelopeBytesMax) return Error{Errc::TooBig, "envelope is over 1 KiB"};
  wire::Envelope envelope;
  if (!envelope.ParseFromArray(bytes.data(), int(bytes.size()))) return invalid("not an envelope");
  if (envelope.boot_id() == 0) return invalid("envelope without a boot id");
  if (envelope.type_url().size() > kTypeUrlBytesMax) return invalid("type url is too long");
  const bool has_id = envelope.id() != 0;
  const bool has_type = !envelope.type_url().empty();
  switch (envelope.kind()) {
    case wire::KIND_HELLO:
    case wire::KIND_LEASE: return envelope;
    case wire::KIND_CALL:
    case wire::KIND_REPLY:
    case wire::KIND_WATCH_REQUEST:
      if (!has_id || !has_type) return invalid("envelope without id or type");
      return envelope;
    case wire::KIND_ERROR:
    case wire::KIND_WATCH_RESPONSE:
      if (!has_id) return invalid("envelope without id");
      return envelope;
    case wire::KIND_REPORT:
      if (!has_type) return invalid("envelope without type");
      return envelope;
    default: return invalid("unknown kind of message");
  }
}

wire::Error to_wire(const Error& error) {
  wire::Error message;
  switch (error.kind) {
    case Errc::Internal: message.set_kind(wire::Error::INTERNAL); break;
    case Errc::Invalid: message.set_kind(wire::Error::INVALID); break;
    case Errc::NotFound: message.set_kind(wire::Error::NOT_FOUND); break;
    case Errc::Refused: message.set_kind(wire::Error::REFUSED); break;
    case Errc::TooBig: message.set_kind(wire::Error::TOO_BIG); break;
    case Errc::Unavailable: message.set_kind(wire::Error::UNAVAILABLE); break;
    case Errc::Timeout: message.set_kind(wire::Error::TIMEOUT); break;
    case Errc::Closed: message.set_kind(wire::Error::CLOSED); break;
    case Errc::System: message.set_kind(wire::Error::SYSTEM); break;
  }
  message.set_text(clean(error.text, kReasonBytesMax));
  return message;
}

Error from_wire(const wire::Error& error) {
  const auto kind = [&] {
    switch (error.kind()) {
      case wire::Error::INVALID: return Errc::Invalid;
      case wire::Error::NOT_FOUND: return Errc::NotFound;
      case wire::Error::REFUSED: return Errc::Refused;
      case wire::Error::TOO_BIG: return Errc::TooBig;
      case wire::Error::UNAVAILABLE: return Errc::Unavailable;
      case wire::Error::TIMEOUT: return Errc::Timeout;
      case wire::Error::CLOSED: return Errc::Closed;
      case wire::Error::SYSTEM: return Errc::System;
      default: return Errc::Internal;
    }
  }();
  return Error{kind, clean(error.text(), kReasonBytesMax)};
}

// Newlines stay: an error may list several places, a line each. Bytes of a
// sequence that is not UTF-8 become '?', since a proto string refuses them.
std::string clean(std::string_view text, size_t bytes_max) {
  std::string out;
  out.reserve(std::min(text.size(), bytes_max));
  for (size_t i = 0; i < text.size() && out.size() < bytes_max;) {
    const auto c = static_cast<unsigned char>(text[i]);
    const size_t length = utf8::front_bytes(text.substr(i));
    const bool control = length == 1 && (c < 0x20 || c == 0x7F) && c != '\n' && c != '\t';
    if (length == 0 || control) {
      out += '?';
      ++i;
      continue;
    }
    if (out.size() + length > bytes_max) break;
    out.append(text.substr(i, length));
    i += length;
  }
  return out;
}

}  // namespace mesh::bus

// Envelopes and errors on the wire: bytes in, checked messages out. Pure. For
// the files of lib/bus.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "mesh/bus.pb.h"

namespace mesh::bus {

namespace wire = ::mesh::bus::v1;

inline constexpr size_t kEnvelopeBytesMax = 1024;
inline constexpr size_t kTypeUrlBytesMax = 256;
inline constexpr size_t kReasonBytesMax = 4096;

// Errc::TooBig over kEnvelopeBytesMax; Errc::Invalid for what does not parse, has
// no boot id, an unknown kind, or lacks what its kind needs.
Result<wire::Envelope> parse_envelope(std::string_view bytes);

// A payload of the bus's own. Errc::Invalid when it does not parse.
template <class Message>
Result<Message> parse_payload(std::string_view bytes) {
  Message message;
  if (bytes.size() > size_t(INT32_MAX) || !message.ParseFromArray(bytes.data(), int(bytes.size())))
    return Error{Errc::Invalid, "payload is not a " + message.GetTypeName()};
  return message;
}

wire::Error to_wire(const Error& error);
// The text is cut, and control bytes in it are replaced: it may reach a log.
Error from_wire(const wire::Error& error);

// A text of another process, cut to `bytes_max`, with no control bytes and valid UTF-8.
std::string clean(std::string_view text, size_t bytes_max);

}  // namespace mesh::bus

// HTTP/2 frames by hand, for peers that are wrong or mean harm. None of the
// product's own code.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mesh::support::h2 {

enum Type : uint8_t {
  Data = 0,
  Headers = 1,
  Priority = 2,
  Rst = 3,
  Settings = 4,
  Ping = 6,
  GoAway = 7,
  Window = 8,
  Continuation = 9,
  Unknown = 0x42,
};
inline constexpr uint8_t kEndStream = 1, kAck = 1, kEndHeaders = 4, kPadded = 8;
inline constexpr uint8_t kProtocolError = 1, kCalm = 11;

inline std::string frame(Type type, uint8_t flags, uint32_t id, std::string_view payload) {
  const size_t n = payload.size();
  std::string out = {char(n >> 16),  char(n >> 8),   char(n),       char(type), char(flags),
                     char(id >> 24), char(id >> 16), char(id >> 8), char(id)};
  return out.append(payload);
}

inline std::string number(uint32_t value) {
  return {char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
}

// A literal field without indexing (RFC 7541 section 6.2.2); up to 126 bytes each.
inline std::string field(std::string_view name, std::string_view value) {
  return std::string(1, '\0') + char(name.size()) + std::string(name) + char(value.size()) +
         std::string(value);
}

inline std::string preface() {
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(Settings, 0, 0, "");
}

// GET http /
inline std::string head(std::string_view authority = "svc") {
  return "\x82\x86\x84" + field(":authority", authority);
}
// POST http /
inline std::string post(std::string_view authority = "svc") {
  return "\x83\x86\x84" + field(":authority", authority);
}

inline std::string get(uint32_t id, std::string_view more = "") {
  return frame(Headers, kEndStream | kEndHeaders, id, head() + std::string(more));
}

// A field block that puts 4000 bytes into the table and refers to them `times`
// times: a byte a time on the wire.
inline std::string bomb(size_t times) {
  // Literal with incremental indexing, name "x", value of 4000 bytes: the length
  // is 127 and what is left of 4000 in steps of 7 bits (RFC 7541 section 5.1).
  std::string block = "\x40\x01x";
  block += char(127);
  for (size_t rest = 4000 - 127;; rest >>= 7) {
    if (rest < 128) {
      block += char(rest);
      break;
    }
    block += char(rest % 128 + 128);
  }
  block.append(4000, 'y');
  return block.append(times, char(0x80 | 62));
}

// The error code of the last GOAWAY among `frames`, or of an RST_STREAM; -1: none.
inline int code_in(std::string_view frames, Type type) {
  int code = -1;
  for (size_t at = 0; at + 9 <= frames.size();) {
    const auto byte = [&](size_t i) { return size_t(uint8_t(frames[at + i])); };
    const size_t n = byte(0) << 16 | byte(1) << 8 | byte(2);
    const size_t last = 9 + (type == GoAway ? 7 : 3);
    if (byte(3) == type && at + last < frames.size()) code = int(byte(last));
    at += 9 + n;
  }
  return code;
}

}  // namespace mesh::support::h2

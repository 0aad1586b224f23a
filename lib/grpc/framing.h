// Length-prefixed messages (grpc/doc/PROTOCOL-HTTP2.md): a compressed flag, four
// bytes of length, the message. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::grpc {

inline constexpr size_t kPrefixBytes = 5;
// gRPC's default for what is received.
inline constexpr size_t kMessageBytesMax = 4U << 20;

// The prefix of a message that is not compressed. At most 4 GiB - 1.
std::string prefix_of(size_t message_bytes);

// Cuts received bytes into messages. Keeps at most one whole message and what came
// with its end.
class Deframer {
 public:
  explicit Deframer(size_t message_bytes_max = kMessageBytesMax) : max_(message_bytes_max) {}

  void add(std::string_view bytes);
  // The next message, valid until the next call of add() or next(); nothing where
  // more bytes are needed. Errc::TooBig: it is longer than allowed. Errc::Invalid: it
  // is compressed, which was not offered, or its flag is no flag. After an error the
  // stream is not to be read on.
  Result<std::optional<std::string_view>> next();
  // Bytes that are kept.
  size_t held() const { return bytes_.size() - taken_; }

 private:
  const size_t max_;
  std::string bytes_;
  size_t taken_ = 0;  // of bytes_, given out
};

}  // namespace mesh::grpc

#include "grpc/framing.h"

namespace mesh::grpc {
namespace {

// A long message's memory does not stay with an idle stream.
constexpr size_t kKeptBytesMax = 16 * 1024;

}  // namespace

std::string prefix_of(size_t message_bytes) {
  std::string prefix(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) prefix += char(message_bytes >> shift);
  return prefix;
}

void Deframer::add(std::string_view bytes) {
  if (taken_ > 0) {
    bytes_.erase(0, taken_);
    taken_ = 0;
    if (bytes_.empty() && bytes_.capacity() > kKeptBytesMax) bytes_.shrink_to_fit();
  }
  bytes_.append(bytes);
}

Result<std::optional<std::string_view>> Deframer::next() {
  const std::string_view rest = std::string_view(bytes_).substr(taken_);
  if (rest.empty() || rest.size() < kPrefixBytes) return std::optional<std::string_view>();
  if (rest[0] == 1)
    return Error{Errc::Invalid, "a compressed message, though no compression was agreed on"};
  if (rest[0] != 0) return Error{Errc::Invalid, "a message begins with an unknown flag"};
  size_t length = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) length = length << 8 | uint8_t(rest[i]);
  if (length > max_)
    return Error{Errc::TooBig, "a message of " + std::to_string(length) + " bytes; at most " +
                                   std::to_string(max_) + " are taken"};
  if (rest.size() - kPrefixBytes < length) return std::optional<std::string_view>();
  taken_ += kPrefixBytes + length;
  return std::optional(rest.substr(kPrefixBytes, length));
}

}  // namespace mesh::grpc

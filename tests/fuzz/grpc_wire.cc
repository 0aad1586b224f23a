// What a gRPC peer sends around its messages: frames cut anywhere, timeouts, statuses and
// their texts, metadata. Any bytes; what we write ourselves reads back.
//
// modules: grpc/framing.cc grpc/timeout.cc grpc/status.cc grpc/metadata.cc http base

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "grpc/framing.h"
#include "grpc/metadata.h"
#include "grpc/status.h"
#include "grpc/timeout.h"

using namespace mesh;

namespace {

constexpr size_t kMessageMax = 64;

// The messages of `bytes`, which come in pieces of `piece` bytes; then one more where the
// stream is wrong.
std::vector<std::string> messages_of(std::string_view bytes, size_t piece) {
  std::vector<std::string> out;
  grpc::Deframer deframer(kMessageMax);
  for (size_t at = 0; at < bytes.size(); at += piece) {
    deframer.add(bytes.substr(at, piece));
    for (;;) {
      const auto message = deframer.next();
      if (!message) {
        out.push_back("wrong");
        return out;
      }
      if (!*message) break;
      if ((*message)->size() > kMessageMax) abort();
      out.emplace_back(**message);
    }
    if (deframer.held() > kMessageMax + grpc::kPrefixBytes + piece) abort();
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // However it is cut, the same messages.
  const auto whole = messages_of(bytes, std::max<size_t>(size, 1));
  for (const size_t piece : {1, 3, 7})
    if (messages_of(bytes, piece) != whole) abort();
  const std::string_view message = bytes.substr(0, kMessageMax);
  const std::string framed = grpc::prefix_of(message.size()) + std::string(message);
  if (messages_of(framed, 2) != std::vector<std::string>{std::string(message)}) abort();

  if (const auto timeout = grpc::parse_timeout(bytes)) {
    const auto again = grpc::parse_timeout(grpc::format_timeout(*timeout));
    if (!again || *again < *timeout) abort();  // never shorter than it was
  }
  static_cast<void>(grpc::to_string(grpc::parse_code(bytes)));

  static_cast<void>(grpc::decode_message(bytes));
  const std::string encoded = grpc::encode_message(bytes);
  if (grpc::decode_message(encoded) != bytes) abort();
  if (std::any_of(encoded.begin(), encoded.end(), [](char c) { return c < 0x20 || c > 0x7e; }))
    abort();

  http::Fields received;
  const std::string value(bytes.substr(0, size / 2));
  received.add("x-a-bin", value);
  received.add("x-b", bytes.substr(size / 2));
  static_cast<void>(grpc::metadata_of(received));
  // Ours: any bytes under a name that ends in -bin.
  http::Fields sent;
  std::vector<std::string> memory;
  const grpc::Metadata own = {{"x-c-bin", value}};  // the fields view its names
  if (!grpc::add_metadata(own, sent, memory)) abort();
  const auto read = grpc::metadata_of(sent);
  if (!read || grpc::find(*read, "x-c-bin") != std::optional<std::string_view>(value)) abort();
  return 0;
}

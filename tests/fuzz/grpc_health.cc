// What a health service answers, from any bytes: what says SERVING is one whole message.
//
// modules: upstream/grpc_health.cc

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "upstream/grpc_health.h"

using namespace mesh;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // As a peer that frames well, so that the message is what is looked at.
  std::string framed(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) framed += char(size >> shift);
  framed += bytes;
  for (const std::string_view answer : {bytes, std::string_view(framed)}) {
    if (!upstream::grpc_health_serving(answer)) continue;
    // Nothing may be missing, and nothing follow.
    if (upstream::grpc_health_serving(answer.substr(0, answer.size() - 1))) abort();
    if (upstream::grpc_health_serving(std::string(answer) + '\0')) abort();
  }
  if (upstream::grpc_health_serving(upstream::grpc_health_request(bytes)) && !bytes.empty())
    abort();
  return 0;
}

// The ClientHello's reader against any bytes: nothing crashes, and what is a hello
// is one however much follows, and partial before it is whole.
//
// modules: net event base
// libraries: event_core

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/client_hello.h"

using mesh::net::ClientHello;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ClientHello whole;
  const auto status = ClientHello::parse(bytes, whole);
  if (status == ClientHello::Status::Complete && whole.server_name.size() > 255) std::abort();
  // More bytes never take a verdict back.
  for (const size_t less : {size / 2, size - (size != 0)}) {
    ClientHello part;
    const auto before = ClientHello::parse(bytes.substr(0, less), part);
    if (before == ClientHello::Status::Partial) continue;
    if (before != status || part.server_name != whole.server_name || part.alpn != whole.alpn)
      std::abort();
  }
  return 0;
}

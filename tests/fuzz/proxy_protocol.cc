// The PROXY header's reader against any bytes: nothing crashes, a verdict stands
// whatever follows, and what it read can be said again and read alike.
//
// modules: net event base
// libraries: event_core

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/proxy_protocol.h"

using mesh::net::ProxyHeader;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ProxyHeader whole;
  const auto status = ProxyHeader::parse(bytes, whole);
  for (const size_t less : {size / 2, size - (size != 0)}) {
    ProxyHeader part;
    const auto before = ProxyHeader::parse(bytes.substr(0, less), part);
    if (before != ProxyHeader::Status::Partial && before != status) std::abort();
  }
  if (status != ProxyHeader::Status::Complete) return 0;
  if (whole.bytes == 0 || whole.bytes > size) std::abort();
  if (whole.source.family() == AF_UNSPEC) return 0;
  ProxyHeader again;
  const std::string said = ProxyHeader::make(whole.version, whole.source, whole.destination);
  if (ProxyHeader::parse(said, again) != ProxyHeader::Status::Complete ||
      !(again.source == whole.source) || !(again.destination == whole.destination))
    std::abort();
  return 0;
}

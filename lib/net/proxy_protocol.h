// ProxyHeader: the PROXY protocol's header, versions 1 and 2: whose connection a
// proxy relays. Source: haproxy.org, proxy-protocol.txt, of 2020.
//
// Strict: what does not follow the text is refused. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/address.h"

namespace mesh::net {

struct ProxyHeader {
  static constexpr size_t kV1BytesMax = 107;        // with its CRLF
  static constexpr size_t kV2BytesMax = 16 + 4096;  // what we take: addresses and TLVs

  uint8_t version = 0;
  // AF_UNSPEC where the sender does not say: LOCAL, UNKNOWN, or another family. The
  // connection's own addresses hold then.
  Address source;
  Address destination;
  size_t bytes = 0;  // of the header itself

  enum class Status : uint8_t {
    Complete,
    Partial,    // come again with more bytes
    None,       // does not begin as one
    Malformed,  // begins as one and goes on wrong
  };
  // `bytes` from the connection's first one on.
  static Status parse(std::string_view bytes, ProxyHeader& into);

  // The header that says so: UNKNOWN (LOCAL in version 2) where the addresses are no
  // pair of one IP family.
  static std::string make(uint8_t version, const Address& source, const Address& destination);
};

}  // namespace mesh::net

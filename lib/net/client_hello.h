// ClientHello: what a TLS client says before anything is encrypted: the name it
// wants (SNI, RFC 6066 section 3) and the protocols it offers (ALPN, RFC 7301).
//
// Reads bytes that were looked at, not taken; a hello in several records, and
// one that has come in part, are told apart from what is none. Strict: what is
// malformed is no hello. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mesh::net {

struct ClientHello {
  // Of all records together, as Envoy's tls_inspector.
  static constexpr size_t kBytesMax = 16 * 1024;

  enum class Status : uint8_t {
    Complete,
    Partial,  // a hello so far: come again with more bytes
    None,     // not TLS, or no ClientHello
  };
  std::string server_name;        // lower case; empty: none
  std::vector<std::string> alpn;  // in the client's order, 32 at most

  // `bytes` from the first one of the connection on. Over kBytesMax: None.
  static Status parse(std::string_view bytes, ClientHello& into);
};

}  // namespace mesh::net

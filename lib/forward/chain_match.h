// ChainMatch: which filter chain serves a connection.
//
// In Envoy's order ("FilterChainMatch"): destination port, destination address,
// server name, transport protocol, application protocols, directly connected
// source, source type, source address, source port; at each step the most
// specific that holds is taken and never taken back. Pure, const once built.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"
#include "net/cidr.h"
#include "xds/values.h"

namespace mesh::forward {

// What is known of a connection before its chain.
struct ConnectionFacts {
  net::Address destination;    // what the client meant, where a filter told
  net::Address source;         // as the PROXY protocol says, where it does
  net::Address direct_source;  // of the socket
  bool tls = false;
  std::string_view server_name = {};
  std::span<const std::string> application_protocols = {};
};

class ChainMatch {
 public:
  static constexpr size_t kNone = SIZE_MAX;

  // Errc::Invalid for an address that is none.
  static Result<ChainMatch> make(std::span<const xds::FilterChain> chains);

  // The index of the chain, or kNone: then the default chain, if any.
  size_t find(const ConnectionFacts& facts) const;
  // One chain that takes all: no facts are needed.
  bool trivial() const { return trivial_; }

 private:
  struct Ranges {
    std::vector<net::Cidr> list;
    // Of the most specific that holds: its bits and one more; 1 where there are none;
    // 0 where none holds.
    uint32_t rank(const net::Address& address) const;
  };
  struct Chain {
    const xds::FilterChainMatch* match;
    Ranges destinations, direct_sources, sources;
  };
  // How well the chain fits at one step; 0 not at all.
  static uint32_t rank(const Chain& chain, size_t step, const ConnectionFacts& facts);

  std::vector<Chain> chains_;
  bool trivial_ = false;
};

}  // namespace mesh::forward

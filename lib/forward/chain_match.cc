#include "forward/chain_match.h"

#include <algorithm>

namespace mesh::forward {
namespace {

constexpr size_t kSteps = 9;
constexpr uint32_t kExact = UINT32_MAX;

Result<std::vector<net::Cidr>> ranges(const std::vector<xds::CidrRange>& from) {
  std::vector<net::Cidr> result;
  for (const auto& one : from) {
    MESH_TRY(auto cidr, net::Cidr::make(one.address, one.bits));
    result.push_back(cidr);
  }
  return result;
}

// The name itself, then the longest "*.suffix", then chains that ask for none.
uint32_t rank_name(const std::vector<std::string>& wanted, std::string_view name) {
  if (wanted.empty()) return 1;
  uint32_t best = 0;
  for (const std::string& one : wanted) {
    if (one == name) return kExact;
    if (!one.starts_with("*.")) continue;
    const std::string_view suffix = std::string_view(one).substr(1);
    if (name.size() > suffix.size() && name.ends_with(suffix))
      best = std::max(best, uint32_t(suffix.size()) + 1);
  }
  return best;
}

uint32_t rank_protocols(const std::vector<std::string>& wanted,
                        std::span<const std::string> offered) {
  if (wanted.empty()) return 1;
  // Of the offers the first that any chain knows is taken: earlier is better.
  for (size_t i = 0; i < offered.size(); ++i)
    if (std::find(wanted.begin(), wanted.end(), offered[i]) != wanted.end())
      return kExact - uint32_t(i);
  return 0;
}

bool is_local(const ConnectionFacts& facts) {
  return facts.source.is_loopback() ||
         (facts.source.family() != AF_UNSPEC && facts.source.host() == facts.destination.host());
}

uint32_t rank_source(xds::FilterChainMatch::Source wanted, const ConnectionFacts& facts) {
  using Source = xds::FilterChainMatch::Source;
  if (wanted == Source::Any) return 1;
  return is_local(facts) == (wanted == Source::SameIpOrLoopback) ? kExact : 0;
}

}  // namespace

uint32_t ChainMatch::Ranges::rank(const net::Address& address) const {
  if (list.empty()) return 1;
  uint32_t best = 0;
  for (const net::Cidr& one : list)
    if (one.contains(address)) best = std::max(best, one.bits() + 2);
  return best;
}

Result<ChainMatch> ChainMatch::make(std::span<const xds::FilterChain> chains) {
  ChainMatch result;
  for (const xds::FilterChain& chain : chains) {
    const xds::FilterChainMatch& match = chain.match;
    Chain& into = result.chains_.emplace_back();
    into.match = &match;
    MESH_TRY(into.destinations.list, ranges(match.prefix_ranges));
    MESH_TRY(into.direct_sources.list, ranges(match.direct_source_prefix_ranges));
    MESH_TRY(into.sources.list, ranges(match.source_prefix_ranges));
  }
  result.trivial_ = chains.size() == 1 && chains[0].match == xds::FilterChainMatch{};
  return result;
}

uint32_t ChainMatch::rank(const Chain& chain, size_t step, const ConnectionFacts& facts) {
  const xds::FilterChainMatch& m = *chain.match;
  switch (step) {
    case 0:
      if (m.destination_port == 0) return 1;
      return m.destination_port == facts.destination.port() ? kExact : 0;
    case 1: return chain.destinations.rank(facts.destination);
    case 2: return rank_name(m.server_names, facts.server_name);
    case 3:
      if (m.transport_protocol.empty()) return 1;
      return (m.transport_protocol == "tls") == facts.tls ? kExact : 0;
    case 4: return rank_protocols(m.application_protocols, facts.application_protocols);
    case 5: return chain.direct_sources.rank(facts.direct_source);
    case 6: return rank_source(m.source, facts);
    case 7: return chain.sources.rank(facts.source);
    case 8: {
      if (m.source_ports.empty()) return 1;
      const auto& ports = m.source_ports;
      return std::find(ports.begin(), ports.end(), facts.source.port()) != ports.end() ? kExact : 0;
    }
    default: return 0;
  }
}

size_t ChainMatch::find(const ConnectionFacts& facts) const {
  if (trivial_) return 0;
  std::vector<size_t> left(chains_.size());
  for (size_t i = 0; i < left.size(); ++i) left[i] = i;
  for (size_t step = 0; step < kSteps && !left.empty(); ++step) {
    uint32_t best = 1;
    std::vector<size_t> kept;
    for (const size_t i : left) {
      const uint32_t fit = rank(chains_[i], step, facts);
      if (fit < best) continue;
      if (fit > best) kept.clear();
      best = fit;
      kept.push_back(i);
    }
    left = std::move(kept);
  }
  return left.empty() ? kNone : left.front();
}

}  // namespace mesh::forward

#include "bus/peer.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::bus {

bool Access::allows(Allow level, const Peer& peer) const {
  const auto in = [&](const std::vector<uint32_t>& uids) {
    return std::find(uids.begin(), uids.end(), peer.uid) != uids.end();
  };
  const bool is_operator = peer.uid == 0 || peer.uid == own_uid || in(operators);
  switch (level) {
    case Allow::Anyone: return true;
    case Allow::Workload: return is_operator || workloads.empty() || in(workloads);
    case Allow::Operator: return is_operator;
  }
  return false;
}

Result<Peer> parse_peer_address(const char* property) {
  const Error refused{Errc::Refused, "the connection has no credentials"};
  if (property == nullptr) return refused;
  const auto parts = text::split(property, ':');
  if (parts.size() != 4 || parts[0] != "localhost") return refused;
  uint32_t ids[3] = {};
  for (size_t i = 0; i < 3; ++i) {
    const auto number = text::parse_uint(parts[i + 1], UINT32_MAX);
    if (!number) return refused;
    ids[i] = uint32_t(*number);
  }
  // -1 is how the kernel says "nobody I can name".
  if (ids[0] == UINT32_MAX) return refused;
  return Peer{ids[0], ids[1], ids[2]};
}

}  // namespace mesh::bus

#include "forward/capture.h"

#include "net/original_dst.h"

namespace mesh::forward {

Captured capture(const Snapshot& snapshot, const ListenerSpec& accepted, int fd,
                 const upstream::OwnConnections& own) {
  const xds::Listener& config = *accepted.config;
  Captured result{.listener = &accepted, .destination = {}};
  const net::Address& here = accepted.socket ? accepted.socket->address() : accepted.address;
  result.destination = net::original_destination(fd, config.transparent, here);
  if (result.destination.family() == AF_UNSPEC) return result;
  if (own.has(net::Address::peer_of(fd), result.destination)) return {};
  if (!config.use_original_dst) return result;
  if (const ListenerSpec* const other = snapshot.listener_at(result.destination))
    result.listener = other;
  return result;
}

}  // namespace mesh::forward

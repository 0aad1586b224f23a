#include "forward/destination.h"

#include "forward/connection.h"

namespace mesh::forward {
namespace {

// Of the header where it is asked for and there, else of the connection (Envoy,
// OriginalDstCluster::LoadBalancer). A name is no address.
net::Address original(upstream::Cluster& cluster, const Connection& connection,
                      const http::RequestHead* head) {
  const xds::OriginalDst& rules = cluster.spec().config->original_dst;
  net::Address address = connection.original_destination();
  if (!rules.header.empty() && head != nullptr) {
    if (const auto text = head->fields.get(rules.header)) {
      const auto named = net::Address::parse(*text);
      if (!named || named->is_unix() || named->port() == 0 || text->starts_with("localhost")) {
        cluster.count_invalid_destination();
        return {};
      }
      address = *named;
    }
  }
  if (rules.port == 0 || address.family() == AF_UNSPEC) return address;
  const auto moved = net::Address::ip(address.host(), rules.port);
  return moved ? *moved : net::Address();
}

}  // namespace

Destination destination_of(upstream::Cluster& cluster, Connection& connection,
                           const http::RequestHead* head) {
  Destination result;
  const bool http2 = head != nullptr && head->protocol == http::Protocol::Http2;
  net::Address address;
  if (cluster.spec().config->discovery == xds::Cluster::Discovery::OriginalDst) {
    address = original(cluster, connection, head);
    if (address.family() == AF_UNSPEC) {
      result.error = DestinationError::Unknown;
      return result;
    }
  }
  result.use = cluster.variants()->find(address, http2);
  if (!result.use) result.error = DestinationError::TooMany;
  return result;
}

}  // namespace mesh::forward

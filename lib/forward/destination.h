// Destination: what a cluster is for one connection or request, where it is not the same for
// all (upstream::Variants).
#pragma once

#include "http/message.h"
#include "upstream/variants.h"

namespace mesh::forward {

class Connection;

enum class DestinationError : uint8_t {
  None,
  Unknown,  // nobody redirected the connection, or the header is no address
  TooMany,  // other destinations
};

struct Destination {
  upstream::Variants::Use use;  // empty where there is an error
  DestinationError error = DestinationError::None;
};

// `cluster` has variants. `head` is null for a connection that is no HTTP.
Destination destination_of(upstream::Cluster& cluster, Connection& connection,
                           const http::RequestHead* head);

}  // namespace mesh::forward

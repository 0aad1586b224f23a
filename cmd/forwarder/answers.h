// Answers: what a forwarder tells of itself on the bus: the resources it holds, how
// its endpoints are, its certificates, and recent requests. For `mesh proxy-config`,
// why, snapshot and plan. Main thread.
#pragma once

#include "bus/peer.h"
#include "bus/server.h"
#include "cmd/forwarder/discovery_watch.h"
#include "forward/forwarder.h"
#include "mesh/forwarder.pb.h"

namespace mesh::forwarder {

class Answers {
 public:
  // All outlive us. Before the server starts.
  Answers(bus::Server& server, const DiscoveryWatch& discovery, const forward::Forwarder& forwarder,
          bus::Node node);

 private:
  Result<v1::HeldReply> held(const v1::HeldRequest& request, const bus::Peer& peer);
  Result<v1::HealthReply> health(const v1::HealthRequest& request, const bus::Peer& peer);
  void facts(const v1::FactsRequest& request, const bus::Peer& peer,
             bus::Reply<v1::FactsReply> reply);
  Result<v1::SecretsReply> secrets(const v1::SecretsRequest& request, const bus::Peer& peer);

  const DiscoveryWatch& discovery_;
  const forward::Forwarder& forwarder_;
  const bus::Node node_;
};

}  // namespace mesh::forwarder

// XdsServer: the publisher's resources for xDS clients that are no forwarders, a stock Envoy
// for instance: gRPC on a Unix socket and under mutual TLS, the aggregated discovery service in
// both its variants (envoyproxy.io, "xDS REST and gRPC protocol").
//
// A node id belongs to the peer that uses it: another identity or user is refused for as long
// as the first has a stream. One thread, the loop's.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "bus/client.h"
#include "client/cert_client.h"
#include "cmd/discoveryd/publisher.h"
#include "cmd/discoveryd/settings.h"
#include "daemon/runtime.h"
#include "grpc/server.h"

namespace mesh::discoveryd {

class XdsServer {
 public:
  static constexpr size_t kStreamsMax = 4000;

  // All outlive us.
  XdsServer(daemon::Runtime& runtime, Publisher& publisher, std::string trust_domain, Xds settings);
  ~XdsServer();

  // Listens. Errors: a socket that is taken, the state directory.
  Result<void> start();
  void drain() { server_->drain(); }

  // Of the streams: who begins by naming its node, and who ends; `node` is empty where it was
  // not named. Errc::Refused.
  Result<void> arrive(const grpc::Peer& peer, bus::Node& words);
  void left(const std::string& node);

 private:
  struct Owner {
    std::string peer;
    size_t streams = 0;
  };

  void add(const char* method, bool incremental);
  Result<void> listen_secure();

  daemon::Runtime& runtime_;
  Publisher& publisher_;
  const std::string trust_domain_;
  const Xds settings_;
  std::map<std::string, Owner, std::less<>> owners_;  // by node id
  size_t streams_ = 0;
  uint64_t next_id_ = 0;
  // With settings_.listen.
  std::unique_ptr<bus::Client> certd_;
  std::unique_ptr<client::CertClient> identity_;
  std::shared_ptr<const tls::Context> context_;  // null: no certificate yet
  net::ListenerSet sockets_;
  std::unique_ptr<grpc::Server> server_;  // goes first: its streams use the rest
};

}  // namespace mesh::discoveryd

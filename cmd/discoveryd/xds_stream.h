// XdsStream: one stream of the aggregated discovery service, as watches of the publisher.
//
// The client's requests go into an ads::AdsStream, which knows the protocol; each type that it
// asks for becomes a bus::Watcher of the publisher's provider of that type, as a forwarder's
// watch is one. Responses leave at the end of a turn, and no more than the client reads. What
// it acknowledges counts as in force there. One thread, the loop's.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "ads/stream.h"
#include "cmd/discoveryd/publisher.h"
#include "cmd/discoveryd/xds_node.h"
#include "event/loop.h"
#include "event/wheel.h"
#include "grpc/server.h"

namespace mesh::discoveryd {

class XdsServer;

class XdsStream final : public grpc::CallHandler,
                        private event::Loop::TurnEnd,
                        private event::Deadline::Owner {
 public:
  // All outlive us. The call may be gone after on_cancelled().
  XdsStream(event::Loop& loop, XdsServer& server, Publisher& publisher, grpc::ServerCall& call,
            ads::AdsStream::Variant variant, uint64_t id);
  ~XdsStream() override;

 private:
  class Watch;

  void on_message(std::string_view message) override;
  void on_half_close() override;
  void on_send_room() override;
  void on_cancelled(const grpc::Status& status) override;
  void on_turn_end() override;
  void on_deadline(event::Deadline&) override;

  template <class Request>
  void take(std::string_view message);
  Result<void> introduce(const envoy::config::core::v3::Node& node);
  Result<void> handle(const ads::AdsStream::Events& events);
  void refused(size_t type, const std::string& reason);
  void tell_settled();
  Result<void> open(size_t type);
  void set_listeners();
  void flush();
  // Ends the stream from our side.
  void end(const grpc::Status& status);
  void close();

  event::Loop& loop_;
  XdsServer& server_;
  Publisher& publisher_;
  grpc::ServerCall& call_;
  const uint64_t id_;
  ads::AdsStream ads_;
  const ads::AdsStream::Variant variant_;
  XdsNode node_{};  // from the first request on
  bool introduced_ = false;
  bool told_unknown_ = false;
  bool closed_ = false;
  event::Deadline deadline_;  // of the first request
  std::array<std::unique_ptr<Watch>, kTypes> watches_;

  // Of gRPC's own client: its listeners are made of the routes, which it never asks for.
  std::shared_ptr<const std::string> routes_;
  std::string routes_version_;
  std::map<std::string, std::string> listeners_;  // offered, with their versions
  std::set<std::string> listeners_asked_;         // state of the world
};

}  // namespace mesh::discoveryd

// SdsStream: one client of the secrets that certd serves. One thread, the loop's.
#pragma once

#include <string_view>

#include "ads/stream.h"
#include "cmd/certd/sds_server.h"
#include "event/loop.h"
#include "event/wheel.h"
#include "grpc/server.h"

namespace mesh::certd {

class SdsStream final : public grpc::CallHandler,
                        private event::Loop::TurnEnd,
                        private event::Deadline::Owner {
 public:
  // All outlive us. The call may be gone after on_cancelled().
  SdsStream(event::Loop& loop, SdsServer& server, grpc::ServerCall& call,
            ads::AdsStream::Variant variant);
  ~SdsStream() override;

  // The secrets are others.
  void offer_own(const SdsServer::Secret& secret);
  void offer_roots(const SdsServer::Secret& secret);
  // Asks again for what could not be had.
  void look_again();

 private:
  void on_message(std::string_view message) override;
  void on_half_close() override { end({}); }
  void on_send_room() override { flush(); }
  void on_cancelled(const grpc::Status&) override { close(); }
  void on_turn_end() override { flush(); }
  void on_deadline(event::Deadline&) override;

  template <class Request>
  Result<ads::AdsStream::Events> take(std::string_view message);
  void offer(std::string_view name, const SdsServer::Secret& secret);
  void flush();
  void end(const grpc::Status& status);
  void close();

  event::Loop& loop_;
  SdsServer& server_;
  grpc::ServerCall& call_;
  const ads::AdsStream::Variant variant_;
  ads::AdsStream ads_;
  bool has_own_ = false;
  bool closed_ = false;
  event::Deadline deadline_;  // of the first request
};

}  // namespace mesh::certd

// GrpcSender: OTLP over gRPC.
#pragma once

#include <memory>
#include <utility>

#include "grpc/channel.h"
#include "net/resolver.h"
#include "otlp/sender.h"

namespace mesh::otlp {

class GrpcSender final : public Sender, private grpc::CallEvents {
 public:
  struct Options {
    std::vector<net::Address> addresses{};
    // Or a name, looked up at the start and when nobody answers.
    std::string name{};
    uint16_t port = 0;
    std::string authority{};
    grpc::Channel::TlsSource tls{};  // empty: clear text
    grpc::Metadata metadata{};
    Duration timeout = std::chrono::seconds(10);  // of one request
  };

  GrpcSender(event::Loop& loop, Options options);  // the loop outlives us
  ~GrpcSender() override;

  void send(const std::string& request, Done done) override;

 private:
  void on_message(std::string_view message) override { answer_ = message; }
  void on_end(const grpc::Status& status, const grpc::Metadata& trailers) override;
  void look_up();

  const Options options_;
  std::unique_ptr<net::Resolver> resolver_;
  bool looking_up_ = false;
  std::string answer_;
  Done done_;
  grpc::Channel channel_;
  std::unique_ptr<grpc::Call> call_;
};

// What the end of an Export means. RESOURCE_EXHAUSTED is for later only where the collector
// says so by RetryInfo.
Outcome outcome_of(const grpc::Status& status, const grpc::Metadata& trailers,
                   const std::string& answer);

}  // namespace mesh::otlp

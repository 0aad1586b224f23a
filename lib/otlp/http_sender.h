// HttpSender: OTLP over HTTP, protobuf in binary.
#pragma once

#include "fetch/fetcher.h"
#include "otlp/sender.h"

namespace mesh::otlp {

class HttpSender final : public Sender {
 public:
  struct Options {
    std::string url{};                   // http://HOST:PORT/v1/traces
    std::string unix_path{};             // not empty: the socket that is connected to
    std::string ca_file{};               // PEM; empty: the system's
    std::vector<std::string> headers{};  // "name: value"
    Duration timeout = std::chrono::seconds(10);
  };

  HttpSender(event::Loop& loop, Options options)  // the loop outlives us
      : options_(std::move(options)), fetcher_(loop) {}

  void send(const std::string& request, Done done) override;

 private:
  const Options options_;
  fetch::Fetcher fetcher_;
};

Outcome outcome_of(const Result<fetch::Fetcher::Response>& response);

}  // namespace mesh::otlp

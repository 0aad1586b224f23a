// Attempt: one try of a request: a host, a connection, a stream, an outcome.
//
// The exchange starts it, hears of it through Owner, and decides what follows;
// an attempt keeps its endpoint alive, counts against the cluster's limits, and
// reports its outcome to the outlier detection. Embedded in the exchange and
// used again for each try. One thread.
#pragma once

#include <optional>
#include <string_view>

#include "base/random.h"
#include "event/loop.h"
#include "http/codec.h"
#include "resilience/limits.h"
#include "resilience/retry.h"
#include "upstream/attempt_failure.h"
#include "upstream/cluster.h"
#include "upstream/connect_stream.h"

namespace mesh::upstream {

class Attempt final : private http::StreamHandler, private Waiter, private ConnectStream::Owner {
 public:
  class Owner {
   public:
    // The stream is open: send the head. May come inside start().
    virtual void on_attempt_ready(Attempt& attempt, http::Stream& stream) = 0;
    virtual void on_attempt_informational(Attempt& attempt, http::ResponseHead& head) = 0;
    virtual void on_attempt_head(Attempt& attempt, http::ResponseHead& head, bool end) = 0;
    virtual void on_attempt_data(Attempt& attempt, std::string_view bytes, bool end) = 0;
    virtual void on_attempt_trailers(Attempt& attempt, http::Fields& trailers) = 0;
    virtual void on_attempt_room(Attempt& attempt) = 0;
    // Over, in order, or not. The stream is gone; start() may follow.
    virtual void on_attempt_closed(Attempt& attempt) = 0;
    virtual void on_attempt_failed(Attempt& attempt, const AttemptFailure& failure) = 0;
    // The outcome ejected the host: whoever sweeps may want to know when.
    virtual void on_ejected() = 0;

   protected:
    ~Owner() = default;
  };

  Attempt(event::Loop& loop, Owner& owner);  // outlive us
  ~Attempt();

  // Picks a host, tried ones last, and asks for a connection; where the cluster is cold, once it
  // is ready. Every failure is reported, perhaps before this returns. All but `high` outlive the
  // try.
  // `high`: the route's priority is HIGH, which has limits of its own.
  void start(Cluster& cluster, Random& random, const balance::PickContext& context,
             bool high = false);

  // As start(), for a CONNECT that ends here: the host gets its bytes alone, on a
  // connection of its own.
  void start_connect(Cluster& cluster, Random& random, const balance::PickContext& context,
                     http::BlockPool& blocks);

  // From start() to closed, failed, or given up.
  bool active() const { return endpoint_ != nullptr || connect_ != nullptr || cold_ != nullptr; }
  http::Stream* stream() { return stream_; }
  // The host last picked; kNoHost when there was none.
  balance::HostIndex host() const { return host_; }
  // Of the present or last try; empty before the first.
  std::string_view host_text() const { return host_text_; }
  // Of the present or last try, for metrics: who was to answer, and whether under
  // mutual TLS.
  telemetry::PeerId peer() const { return peer_; }
  bool secure() const { return secure_; }
  // The head was handed to the connection.
  bool request_started() const { return request_started_; }
  void set_request_started() { request_started_ = true; }

  // Gives it up: nothing follows. With a `status` the host is judged by a timeout;
  // nullopt: not its fault.
  void cancel(std::optional<uint16_t> status);
  // No answer in time, and it goes on: the host is judged.
  void report_timeout();
  // The answer is not wanted: what remains of it is dropped, so that the
  // connection can be kept where that is little.
  void abandon(const http::ResponseHead& head, bool end, bool request_ended);
  // Flow control of the answer.
  void pause() {
    if (stream_ != nullptr) stream_->pause();
  }
  void resume();

 private:
  void on_connection(Connection& connection) override;
  void on_no_connection(std::string_view text, Why why) override;

  void on_informational(http::ResponseHead& head) override;
  void on_response_head(http::ResponseHead& head, bool end) override;
  void on_data(std::string_view bytes, bool end) override;
  void on_trailers(http::Fields& trailers) override;
  void on_reset(http::ResetReason reason) override;
  void on_send_room() override;
  void on_closed() override;

  void on_connect_ready(http::Stream& stream) override;
  void on_connect_failed(const AttemptFailure& failure) override;
  void on_ejected() override { owner_.on_ejected(); }

  class ColdStart;
  void wait(std::unique_ptr<ColdStart> start);
  void stop_waiting();
  void reset();
  void judge(uint16_t status);
  void finish();
  void fail(const AttemptFailure& failure);

  event::Loop& loop_;
  Owner& owner_;
  Endpoint* endpoint_ = nullptr;  // retained while active
  Connection* connection_ = nullptr;
  std::unique_ptr<ConnectStream> connect_;  // in place of both
  std::unique_ptr<ColdStart> cold_;         // before them: the cluster is waited for
  http::Stream* stream_ = nullptr;
  resilience::Permit permit_;
  std::string_view host_text_;
  const ClusterSpec* spec_ = nullptr;  // of the last start()
  balance::HostIndex host_ = balance::kNoHost;
  telemetry::PeerId peer_ = telemetry::kUnknownPeer;
  bool secure_ = false;
  bool judged_ = false;
  bool request_started_ = false;
};

}  // namespace mesh::upstream

// Exchange: one request, from its head to the end of its response.
//
//   head -> filters -> route -> [ filters of a try -> attempt ]* -> response
//
// It joins two streams: the downstream's, whose events it hears, and that of the
// attempt under way. It decides on timeouts, retries and local answers, keeps a
// bounded part of the request's body for another try, and holds each side back
// while the other does not take what it has. It ends when both streams are gone;
// then the worker uses it again. It pins the view it began with. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "event/loop.h"
#include "forward/filter/filter.h"
#include "forward/scratch.h"
#include "forward/view.h"
#include "http/codec.h"
#include "resilience/limits.h"
#include "resilience/retry.h"
#include "telemetry/response_flags.h"
#include "upstream/attempt.h"

namespace mesh::forward {

class Connection;
class Worker;

class Exchange final : private http::StreamHandler,
                       private upstream::Attempt::Owner,
                       private event::Deadline::Owner {
 public:
  // Of a request's body, kept for another try, or while there is no connection.
  static constexpr size_t kBodyKeptMax = 64 * 1024;
  // Tries of requests that the upstream refused untouched, whatever the policy.
  static constexpr uint32_t kUntouchedRetriesMax = 2;

  explicit Exchange(Worker& worker);
  ~Exchange();

  // A stream of `connection` begins; returns who hears it.
  http::StreamHandler* begin(Connection& connection, http::Stream& stream);
  // The worker ends: whatever is under way is given up.
  void abandon();
  // Ends what has been still for longer than the chain allows.
  void check_idle();

  size_t slot = 0;  // in the worker's list

 private:
  enum class Phase : uint8_t {
    Free,       // in the worker's pool
    Head,       // awaiting the request's head
    Holding,    // a delay or back-off before the next try
    Trying,     // an attempt is under way, nothing was answered
    Answering,  // the response's head went downstream
    Answered,   // the response is complete
  };

  // Downstream.
  void on_request_head(http::RequestHead& head, bool end) override;
  void on_data(std::string_view bytes, bool end) override;
  void on_trailers(http::Fields& trailers) override;
  void on_reset(http::ResetReason reason) override;
  void on_send_room() override;
  void on_closed() override;

  // Upstream.
  void on_attempt_ready(http::Stream& stream) override;
  void on_attempt_informational(http::ResponseHead& head) override;
  void on_attempt_head(http::ResponseHead& head, bool end) override;
  void on_attempt_data(std::string_view bytes, bool end) override;
  void on_attempt_trailers(http::Fields& trailers) override;
  void on_attempt_room() override;
  void on_attempt_closed() override;
  void on_attempt_failed(const upstream::AttemptFailure& failure) override;
  void on_ejected() override;

  void on_deadline(event::Deadline& deadline) override;

  bool find_route();
  bool run_request_filters();
  void request_complete();
  void next_try();
  void begin_attempt();
  void fault_answer();
  // Whether another try was arranged for.
  bool retry(const resilience::Outcome& outcome);
  bool replayable() const { return !body_lost_; }
  void hold_downstream();
  void release_downstream();
  void on_request_timeout();
  void on_try_timeout();
  void fail_midway(telemetry::Flag flag, std::string_view details);
  void response_complete();

  // An answer of our own, with one sentence for people.
  void reply(uint16_t status, telemetry::Flags flags, std::string_view details,
             std::string_view body, int grpc_status = -1);
  // The downstream is over: counts, logs, lets go.
  void conclude();
  void record(Duration duration);
  void log(Duration duration);
  void try_to_recycle();

  Worker& worker_;
  Connection* connection_ = nullptr;  // outlives the downstream stream
  View* view_ = nullptr;              // retained
  const ChainSpec* chain_ = nullptr;
  http::Stream* down_ = nullptr;
  http::RequestHead* head_ = nullptr;  // valid while down_ is
  http::Fields* trailers_ = nullptr;   // of the request; likewise
  const route::Route* route_ = nullptr;
  View::Entry* cluster_ = nullptr;
  upstream::Attempt attempt_;
  event::Deadline request_deadline_;
  event::Deadline try_deadline_;
  event::Deadline hold_;

  Phase phase_ = Phase::Free;
  bool request_ended_ = false;
  bool keep_body_ = false;  // for another try
  bool body_lost_ = false;  // part of it was sent and not kept
  bool held_ = false;       // downstream is paused
  bool grpc_ = false;
  bool inbound_ = false;
  filter::Verdict pending_;  // what follows the present delay
  uint32_t tries_ = 0;
  uint32_t untouched_retries_ = 0;
  uint32_t tried_count_ = 0;
  std::array<balance::HostIndex, 8> tried_{};
  resilience::Permit retry_permit_;

  Instant start_{};
  Instant request_end_{};
  Instant response_start_{};
  Instant last_active_{};
  WallTime start_wall_{};
  uint64_t request_bytes_ = 0;
  uint64_t response_bytes_ = 0;
  uint16_t status_ = 0;
  int grpc_status_ = -1;
  Duration service_time_{-1};
  telemetry::Flags flags_;
  std::string_view details_;  // static
  std::string_view original_path_;
  std::string transport_failure_;
  const http::Fields* response_fields_ = nullptr;  // for the log; while the attempt lives
  http::ResponseHead own_response_;                // of reply()
  std::string body_;
  std::string path_;  // rewritten or normalised
  Scratch scratch_;   // field values of ours
};

}  // namespace mesh::forward

// Exchange: one request, from its head to the end of its response.
//
//   head -> filters -> route -> [ filters of a try -> attempt ]* -> response
//
// It joins two streams: the downstream's, whose events it hears, and that of the
// attempt under way. It decides on timeouts, retries and local answers, keeps a
// bounded part of the request's body for another try, and holds each side back
// while the other does not take what it has. It ends when both streams are gone;
// then the worker uses it again. It pins the view it began with. One thread.
//
// By concern: exchange.cc begins and ends, exchange_request.cc has the way there,
// exchange_await.cc hosts that are not known yet, exchange_authorize.cc authorizers,
// exchange_filters.cc the filters, exchange_try.cc tries, exchange_hedge.cc tries beside
// each other, exchange_timeouts.cc the limits of time, exchange_answer.cc the way back,
// exchange_reply.cc answers of our own, exchange_record.cc metrics and logs, exchange_span.cc
// traces. What few requests need is in extras.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "event/loop.h"
#include "forward/awaited_hosts.h"
#include "forward/extras.h"
#include "forward/filter/run.h"
#include "forward/head_rules.h"
#include "forward/request_options.h"
#include "forward/scratch.h"
#include "forward/view.h"
#include "http/codec.h"
#include "resilience/retry.h"
#include "telemetry/access_log.h"
#include "telemetry/response_flags.h"
#include "upstream/attempt.h"

namespace mesh::forward {

class Connection;
class Worker;

class Exchange final : private http::StreamHandler,
                       private upstream::Attempt::Owner,
                       private HostWaiter,
                       private AuthorizerCall::Owner,
                       private event::Deadline::Owner {
 public:
  // Of a request's body, taken while there is no connection.
  static constexpr size_t kBodyHeldMax = 64 * 1024;
  // Tries of requests that the upstream refused untouched, whatever the policy.
  static constexpr uint32_t kUntouchedRetriesMax = 2;
  // For a tunnel's last bytes to go upstream when the downstream is done with it.
  static constexpr std::chrono::minutes kTunnelRestMax{1};

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
    Awaiting,   // its host is not known yet
    Asking,     // whether it may, or its body is awaited for that
    Holding,    // a delay or back-off before the next try
    Trying,     // an attempt is under way, nothing was answered
    Answering,  // the response's head went downstream
    Tunnel,     // an upgrade or CONNECT was accepted: bytes flow both ways
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
  void on_attempt_ready(upstream::Attempt& attempt, http::Stream& stream) override;
  void on_attempt_informational(upstream::Attempt& attempt, http::ResponseHead& head) override;
  void on_attempt_head(upstream::Attempt& attempt, http::ResponseHead& head, bool end) override;
  void on_attempt_data(upstream::Attempt& attempt, std::string_view bytes, bool end) override;
  void on_attempt_trailers(upstream::Attempt& attempt, http::Fields& trailers) override;
  void on_attempt_room(upstream::Attempt& attempt) override;
  void on_attempt_closed(upstream::Attempt& attempt) override;
  void on_attempt_failed(upstream::Attempt& attempt,
                         const upstream::AttemptFailure& failure) override;
  void on_ejected() override;

  void on_deadline(event::Deadline& deadline) override;

  // The way there. False: answered already.
  bool normalise_path();
  void route_request(bool end, bool may_wait);
  bool find_route(bool may_wait);
  bool settle_route(bool may_wait);
  route::Request routed_request();
  void use_route(bool end);
  void start_request(bool end);
  bool shed(uint32_t overload);  // true: answered
  bool find_target();
  bool find_cluster();
  void rewrite_head();
  void rewrite_host(const route::HostRewrite& rewrite, bool forwarded_host);
  bool has_edits() const;
  void edit_response(http::Fields& fields);
  void resolve_options();
  void clean_head(const HeadNotes& notes);
  bool find_variant();
  bool prepare_pick();
  void add_cookies(http::Fields& fields);
  void request_complete();
  void hold_downstream();
  void release_downstream();
  // Taking the request's body: something is, or will be, sent upstream.
  bool forwarding() const { return phase_ >= Phase::Holding && phase_ <= Phase::Tunnel; }

  bool answering() const { return phase_ == Phase::Answering || phase_ == Phase::Tunnel; }

  // Hosts that are asked for on demand.
  bool await_host();
  bool goes_on_unasked(HostAnswer answer);  // false: answered
  void on_host(HostAnswer answer) override;
  void note_use();  // of a host, where no cluster counts it
  void stop_awaiting();
  void on_await_timeout();

  // Authorizers. False: it waits, or has gone on already.
  bool ask_authorizer(const filter::Ask& ask, bool early);
  void begin_asking();
  void on_body_for_authorizer();
  void stop_asking();
  void on_authorizer_answer(authz::CheckAnswer& answer) override;
  void refuse_by(const authz::CheckAnswer& answer);
  bool edit_by(authz::CheckAnswer& answer);
  void go_on_authorized(bool reroute);
  void edit_by_authorizers(http::ResponseHead& head);

  // Filters.
  filter::Context filter_context();
  const filter::Plan* plan_of_route() const;
  bool run_request_filters();
  bool continue_filters();
  bool run_early_filters(const route::Table& table, route::Request& request);
  void start_filters(const filter::Plan& plan);
  bool take_verdict(const filter::Context& context, const filter::Verdict& verdict, bool early);
  bool run_guards();
  void run_try_filters();  // sets pending_
  void run_response_filters(http::ResponseHead& head);
  void run_end_filters(Duration duration);
  void fault_answer();

  // Tries.
  void next_try();
  void begin_attempt();
  // Whether another try was arranged for. `answer` may say when.
  bool retry(const resilience::Outcome& outcome, const http::Fields* answer = nullptr);
  Duration wait_before_retry(const http::Fields* answer);
  resilience::Outcome outcome_of(const http::ResponseHead& head) const;
  void count(upstream::ClusterCount what);  // of the cluster's statistics
  bool permitted(const resilience::Outcome& outcome);
  bool replayable() const { return !body_lost_; }
  void keep_for_retry(std::string_view bytes, bool sent);
  void tell_try();  // the fields that differ from try to try
  // All tries under way are given up, as Attempt::cancel() has it.
  void give_up(std::optional<uint16_t> status);

  // Hedging: tries that passed their timeout, and go on.
  bool hedge();
  bool others_pending() const;
  // An elder try has an answer: whether it is taken, and is the present one then.
  bool take_elder(upstream::Attempt& elder, http::ResponseHead& head, bool end);
  void on_elder_failed(upstream::Attempt& elder, const upstream::AttemptFailure& failure);
  void reply_failure(const upstream::AttemptFailure& failure);

  // Timeouts.
  void on_request_timeout();
  void on_try_timeout();
  void try_timed_out(telemetry::Flag flag, std::string_view details, std::string_view sentence);
  void arm_watch();
  void on_watch();
  bool check_try();
  void on_duration_over();

  // The way back.
  void begin_answer(http::ResponseHead& head);
  bool admit_tunnel();  // false: answered already
  bool awaits_tunnel() const;
  bool opens_tunnel(const http::ResponseHead& head) const;
  void begin_tunnel(http::ResponseHead& head);
  void end_tunnel(bool in_order);
  void give_up_upstream();
  void response_complete();
  void fail_midway(telemetry::Flags flags, std::string_view details);
  // An answer of our own, with one sentence for people.
  void reply(uint16_t status, telemetry::Flags flags, std::string_view details,
             std::string_view body, int grpc_status = -1);

  // The downstream is over: counts, logs, lets go.
  void conclude();
  void record(Duration duration);
  telemetry::Scope& with_values(telemetry::Scope& scope,
                                const std::vector<telemetry::TagValue>& wanted);
  void keep_fact();                                  // of the head as it is matched
  void keep_claims(const filter::Verdict& verdict);  // what the filters found out of tokens
  telemetry::AccessEntry entry();                    // all but the duration
  void log(Duration duration);
  void begin_span(bool trace_began);
  void name_span();  // of the route, to the next hop
  void end_span(Duration duration);
  void tag_request(telemetry::SpanBatch& batch, size_t path_bytes_max);
  void tag_response(telemetry::SpanBatch& batch);
  void tag_as_configured(telemetry::SpanBatch& batch, const xds::SpanPolicy& policy,
                         Duration duration);
  void try_to_recycle();

  Extras& extras();
  void touch();  // it is not idle

  Worker& worker_;
  Connection* connection_ = nullptr;  // outlives the downstream stream
  View* view_ = nullptr;              // retained
  const ChainSpec* chain_ = nullptr;
  http::Stream* down_ = nullptr;
  http::RequestHead* head_ = nullptr;  // valid while down_ is
  http::Fields* trailers_ = nullptr;   // of the request; likewise
  const route::Route* route_ = nullptr;
  const route::WeightedCluster* destination_ = nullptr;  // of route_; null: another cluster
  RequestOptions options_;
  View::Entry* cluster_ = nullptr;
  upstream::Cluster* target_ = nullptr;  // of it, or its variant for this request
  upstream::Attempt first_;
  upstream::Attempt* attempt_ = &first_;  // the present one: ours, or another of a hedge
  event::Deadline request_deadline_;
  event::Deadline try_deadline_;
  event::Deadline hold_;
  event::Deadline watch_;  // the next of the limits that few have

  Phase phase_ = Phase::Free;
  bool request_ended_ = false;
  bool keep_body_ = false;  // for another try
  bool body_lost_ = false;  // part of it was sent and not kept
  bool held_ = false;       // downstream is paused
  bool grpc_ = false;
  bool inbound_ = false;
  bool trusted_ = false;            // the request's x-envoy-* fields are honoured
  filter::Run* filters_ = nullptr;  // in extras_, once the route has filters in force
  filter::Verdict pending_;         // what follows the present delay
  uint32_t tries_ = 0;
  std::unique_ptr<Extras> extras_;

  Instant start_{};
  Instant request_end_{};
  Instant response_start_{};
  Instant last_active_{};
  WallTime start_wall_{};
  uint64_t request_bytes_ = 0;
  uint64_t response_bytes_ = 0;
  uint64_t fact_ = 0;  // a ticket of the worker's facts; 0: it is not kept
  uint16_t status_ = 0;
  int grpc_status_ = -1;
  Duration service_time_{-1};
  telemetry::Flags flags_;
  std::string_view details_;  // static
  std::string_view original_path_;
  const http::Fields* response_fields_ = nullptr;  // for the log; while the attempt lives
  std::string body_;
  std::string path_;  // rewritten or normalised
  Scratch scratch_;   // field values of ours
};

}  // namespace mesh::forward

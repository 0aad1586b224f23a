// Where filters stand in an exchange: after the route is known, before each try, on the
// way back, and at the end.
#include <utility>

#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/worker.h"

namespace mesh::forward {

namespace {

const route::Route kNoRoute;

}  // namespace

filter::Context Exchange::filter_context() {
  filter::Context context{.head = *head_,
                          .route = route_ != nullptr ? *route_ : kNoRoute,
                          .random = worker_.random(),
                          .scratch = scratch_,
                          .answer = filters_->answer(),
                          .now = worker_.loop().now(),
                          .secure = connection_->secure(),
                          .grpc = grpc_,
                          .peer_identity = connection_->stream().peer_identity(),
                          .remote_host = {},
                          .claims = &filters_->claims(),
                          .shadow = &filters_->shadow()};
  const unsigned hooks = filters_->hooks();
  if ((hooks & filter::Filter::kRemoteHost) != 0) context.remote_host = connection_->remote_host();
  if ((hooks & filter::Filter::kWall) != 0) context.wall = worker_.loop().wall();
  if ((hooks & filter::Filter::kConnection) != 0) context.connection = &connection_->facts();
  if ((hooks & filter::Filter::kRemoteIp) != 0)
    context.remote_ip = client_ip(head_->fields, chain_->config->edge, connection_->facts().remote);
  if (tries_ > 0) context.upstream_host = attempt_->host_text();
  return context;
}

// The process runs short: overload.h.
bool Exchange::shed(uint32_t overload) {
  using resilience::OverloadAction;
  const auto is = [&](OverloadAction action) { return (overload & uint32_t(action)) != 0; };
  if (is(OverloadAction::DisableKeepalive)) connection_->drain("overload");
  if (!is(OverloadAction::StopAcceptingRequests)) return false;
  reply(503, telemetry::Flag::OverloadManager, "overload", "envoy overloaded");
  return true;
}

void Exchange::start_filters(const filter::Plan& plan) {
  auto& run = extras().filters;
  if (run == nullptr) run = std::make_unique<filter::Run>();
  filters_ = run.get();
  filters_->begin(plan);
}

// False: answered, or an authorizer is asked. `early` is for that.
bool Exchange::take_verdict(const filter::Context& context, const filter::Verdict& verdict,
                            bool early) {
  if (!context.override_host.empty()) {
    extras_->pick.override_host = context.override_host;
    extras_->pick.override_strict = context.override_strict;
  }
  if (verdict.ask != nullptr) return ask_authorizer(*verdict.ask, early);
  if (verdict.status == 0) return true;
  reply(verdict.status, verdict.flags, verdict.details, verdict.body, verdict.grpc_status);
  return false;
}

// False: answered already.
bool Exchange::run_request_filters() {
  if (filters_ != nullptr) return true;  // they were early
  const filter::Plan* const plan = chain_->filters.plan(route_->filters.get());
  if (plan == nullptr) return true;
  start_filters(*plan);
  return continue_filters();
}

bool Exchange::continue_filters() {
  filter::Context context = filter_context();
  const filter::Verdict verdict = filters_->on_request(context);
  if (fact_ != 0) keep_claims(verdict);
  return take_verdict(context, verdict, false);
}

const filter::Plan* Exchange::plan_of_route() const {
  return chain_->filters.plan(route_ != nullptr ? route_->filters.get() : nullptr);
}

// What a filter finds out may make the route another one, for the filters behind it too.
// Goes on from where it was. False: answered already, or an authorizer is asked.
bool Exchange::run_early_filters(const route::Table& table, route::Request& request) {
  if (filters_ == nullptr) {
    const filter::Plan* const plan = plan_of_route();
    if (plan == nullptr) return true;
    start_filters(*plan);
  }
  for (;;) {
    const bool guards_only = route_ == nullptr;
    filter::Context context = filter_context();
    const filter::Verdict verdict = filters_->on_early_request(context, guards_only);
    if (fact_ != 0) keep_claims(verdict);
    if (!take_verdict(context, verdict, true)) return false;
    if (!verdict.reroute) break;
    request.path = head_->path;
    request.claims = filters_->claims();
    route_ = table.find(request);
    if (route_ != nullptr) filters_->follow(plan_of_route(), guards_only);
  }
  if (route_ == nullptr) filters_ = nullptr;
  return true;
}

// No route was found: whoever may not ask is told so, not that there is none. False:
// answered.
bool Exchange::run_guards() {
  const filter::Plan* const plan = chain_->filters.plan(nullptr);
  if (plan == nullptr || (plan->hooks & filter::Filter::kGuard) == 0) return true;
  start_filters(*plan);
  filter::Context context = filter_context();
  const filter::Verdict verdict = filters_->on_guard(context);
  if (fact_ != 0) keep_claims(verdict);
  if (verdict.status != 0) {
    reply(verdict.status, verdict.flags, verdict.details, verdict.body, verdict.grpc_status);
    return false;
  }
  filters_ = nullptr;
  return true;
}

void Exchange::run_try_filters() {
  pending_ = {};
  if (filters_ == nullptr || (filters_->hooks() & filter::Filter::kTry) == 0) return;
  filter::Context context = filter_context();
  pending_ = filters_->on_try(context);
}

// `head` is the upstream's, or an answer of our own: then what the filter that
// gave it says of its fields is added.
void Exchange::run_response_filters(http::ResponseHead& head) {
  if (filters_ == nullptr) return;
  if (&head == &extras_->own_response)
    for (const http::Field& field : filters_->answer()) head.fields.set(field.name, field.value);
  if (extras_->authorizing) edit_by_authorizers(head);
  if ((filters_->hooks() & filter::Filter::kResponse) == 0) return;
  filter::Context context = filter_context();
  filters_->on_response(context, head);
}

void Exchange::run_end_filters(Duration duration) {
  if (filters_ == nullptr) return;
  const bool answered = response_start_ != Instant{};
  filters_->on_end({.status = status_,
                    .grpc_status = grpc_status_,
                    .flags = flags_,
                    .duration = duration,
                    .first_answer = answered ? response_start_ - start_ : duration,
                    .asked = tries_ > 0},
                   worker_.loop().now());
  filters_ = nullptr;
}

// A filter answers in the upstream's place: retried as an upstream's answer is.
void Exchange::fault_answer() {
  const filter::Verdict verdict = std::exchange(pending_, {});
  try_deadline_.cancel();
  resilience::Outcome outcome;
  outcome.status = verdict.status;
  if (grpc_ && verdict.grpc_status >= 0) outcome.grpc_status = uint8_t(verdict.grpc_status);
  if (retry(outcome)) return;
  flags_ = telemetry::Flags::from_bits(flags_.bits() | verdict.flags.bits());
  reply(verdict.status, {}, verdict.details, verdict.body, verdict.grpc_status);
}

}  // namespace mesh::forward

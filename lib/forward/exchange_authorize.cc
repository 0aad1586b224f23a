// A request that waits for what an external authorizer says of it (Envoy, ext_authz).
#include "base/text.h"
#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/worker.h"

namespace mesh::forward {
namespace {

using authz::CheckAnswer;
using filter::ExtAuthzCounts;
using telemetry::Flag;

}  // namespace

bool Exchange::ask_authorizer(const filter::Ask& ask, bool early) {
  if (!extras_->authorizing) extras_->authorizing = std::make_unique<Authorizing>();
  Authorizing& state = *extras_->authorizing;
  state.ask = &ask;
  state.early = early;
  phase_ = Phase::Asking;
  state.awaits_body = ask.config->body && !request_ended_ && !head_->asks_tunnel();
  if (!state.awaits_body) {
    begin_asking();
    return false;
  }
  // A client that asks before it sends is told to: otherwise both would wait.
  if (const auto expect = head_->fields.get("expect");
      expect && text::iequals(*expect, "100-continue")) {
    http::ResponseHead go_on;
    go_on.status = 100;
    head_->fields.remove("expect");
    down_->send_informational(go_on);
  }
  // Of one that was asked of before, the body may be here.
  if (!body_.empty()) on_body_for_authorizer();
  return false;
}

void Exchange::on_body_for_authorizer() {
  const authz::ExtAuthz::Body& rule = *extras_->authorizing->ask->config->body;
  if (!rule.partial && body_.size() > rule.bytes_max)
    return reply(413, {}, "request_payload_too_large", "Payload Too Large");
  if (request_ended_ || (rule.partial && body_.size() >= rule.bytes_max)) begin_asking();
}

void Exchange::begin_asking() {
  Authorizing& state = *extras_->authorizing;
  const bool has_body = std::exchange(state.awaits_body, false) || !body_.empty();
  if (body_.size() >= kBodyHeldMax) hold_downstream();
  const authz::CheckRequest request{.head = *head_,
                                    .body = body_,
                                    .has_body = has_body && state.ask->config->body.has_value(),
                                    .source = client_peer(*connection_),
                                    .destination = own_peer(*connection_),
                                    .time = worker_.loop().wall(),
                                    .id = worker_.random().next(),
                                    .size = request_bytes_,
                                    .server_name = connection_->stream().sni()};
  AuthorizerCall::Owner& owner = *this;
  state.call = std::make_unique<AuthorizerCall>(worker_, *view_, owner);
  state.call->start(*state.ask->config, request);
}

void Exchange::stop_asking() {
  Authorizing& state = *extras_->authorizing;
  state.awaits_body = false;
  if (state.call == nullptr) return;
  state.call->cancel();
  worker_.loop().retire(std::move(state.call));
}

void Exchange::on_authorizer_answer(CheckAnswer& said) {
  Authorizing& state = *extras_->authorizing;
  worker_.loop().retire(std::move(state.call));
  const filter::Ask& ask = *state.ask;
  CheckAnswer& answer = state.answers.emplace_back(std::move(said));
  touch();
  phase_ = Phase::Head;
  auto& counts = ask.counts->counts;
  switch (answer.kind) {
    case CheckAnswer::Kind::Ok: {
      counts.add(ExtAuthzCounts::Ok);
      const bool edited = edit_by(answer);
      return go_on_authorized(edited && ask.config->clear_route_cache);
    }
    case CheckAnswer::Kind::Denied: counts.add(ExtAuthzCounts::Denied); break;
    case CheckAnswer::Kind::Invalid: counts.add(ExtAuthzCounts::Invalid); break;
    case CheckAnswer::Kind::Error:
      counts.add(ExtAuthzCounts::Error);
      if (!ask.config->failure_allows) break;
      counts.add(ExtAuthzCounts::FailureModeAllowed);
      answer.response.clear();
      if (ask.config->failure_header)
        head_->fields.set("x-envoy-auth-failure-mode-allowed", "true");
      return go_on_authorized(false);
  }
  refuse_by(answer);
}

void Exchange::refuse_by(const CheckAnswer& answer) {
  constexpr Flag kFlag = Flag::UnauthorizedExternalService;
  switch (answer.kind) {
    case CheckAnswer::Kind::Denied:
      return reply(answer.status, kFlag, "ext_authz_denied", answer.body);
    case CheckAnswer::Kind::Invalid: return reply(500, kFlag, "ext_authz_invalid", {});
    default: break;
  }
  const uint16_t status = answer.error_status != 0
                              ? answer.error_status
                              : extras_->authorizing->ask->config->status_on_error;
  reply(status, kFlag, "ext_authz_error", answer.body);
}

// Whether the request is another one now.
bool Exchange::edit_by(CheckAnswer& answer) {
  for (CheckAnswer::Edit& edit : answer.request) apply(edit, head_->fields);
  for (const std::string& name : answer.remove) head_->fields.remove(name);
  if (!answer.query_set.empty() || !answer.query_remove.empty())
    head_->path = scratch_.keep(authz::edit_query(head_->path, answer));
  return answer.edits_request();
}

void Exchange::go_on_authorized(bool reroute) {
  if (!extras_->authorizing->early) {
    if (continue_filters()) start_request(request_ended_);
    return;
  }
  const route::Table& table = *chain_->routes;
  route::Request request = routed_request();
  request.claims = filters_->claims();
  if (reroute) {
    route_ = table.find(request);
    if (route_ != nullptr) filters_->follow(plan_of_route(), false);
  }
  if (run_early_filters(table, request) && settle_route(false)) use_route(request_ended_);
}

// An answer of our own that says an authorizer's words has its fields in place of others of
// their names, where each may come more than once.
void Exchange::edit_by_authorizers(http::ResponseHead& head) {
  for (CheckAnswer& answer : extras_->authorizing->answers) {
    if (answer.kind == CheckAnswer::Kind::Ok) {
      for (CheckAnswer::Edit& edit : answer.response) apply(edit, head.fields);
      continue;
    }
    for (const CheckAnswer::Edit& edit : answer.response) head.fields.remove(edit.name);
    for (const CheckAnswer::Edit& edit : answer.response) head.fields.add(edit.name, edit.value);
  }
}

}  // namespace mesh::forward

// The request's way there: its head, its route, its body.
#include "forward/client_cert.h"
#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/grpc.h"
#include "forward/head_rules.h"
#include "forward/worker.h"
#include "http/path.h"

namespace mesh::forward {

void Exchange::on_request_head(http::RequestHead& head, bool end) {
  head_ = &head;
  request_ended_ = end;
  touch();
  if (!chain_->logs.empty()) start_wall_ = worker_.loop().wall();
  const bool edge = chain_->config->edge.use_remote_address;
  const HeadNotes notes = prepare_request(
      head, *chain_->config,
      {.secure = connection_->secure(),
       .remote_host = edge ? std::string_view(connection_->remote_host()) : std::string_view()},
      worker_.random(), scratch_);
  if (notes.trace != HeadNotes::Trace::None) begin_span(notes.trace == HeadNotes::Trace::Begun);
  clean_head(notes);
  grpc_ = is_grpc(head.fields);
  original_path_ = head.path;
  if (const uint32_t overload = worker_.overload(); overload != 0 && shed(overload)) return;
  if (head.path != "*" && !head.is_connect() && !normalise_path()) return;
  if (worker_.facts().due(last_active_)) keep_fact();
  route_request(end, true);
}

void Exchange::route_request(bool end, bool may_wait) {
  if (find_route(may_wait)) use_route(end);
}

void Exchange::use_route(bool end) {
  if (head_->asks_tunnel() && !admit_tunnel()) return;
  if (run_request_filters()) start_request(end);
}

void Exchange::start_request(bool end) {
  if (!find_target()) return;
  // Of one that waited, the body may be here already, and its end.
  const bool bare = end && body_.empty() && trailers_ == nullptr;
  keep_body_ = options_.retry != nullptr && !bare;
  if (!route_->mirrors.empty() && !head_->asks_tunnel()) {
    worker_.mirrors().begin(*route_, *view_, *head_, bare, options_.timeout, extras().taps);
    for (const auto& tap : extras_->taps) {
      if (!body_.empty()) tap->on_data(body_, end && trailers_ == nullptr);
      if (trailers_ != nullptr) tap->on_trailers(*trailers_);
    }
  }
  if (end) request_complete();
  if (extras_ && extras_->traced) name_span();
  if (phase_ == Phase::Head) next_try();
}

// What the request says of itself and of us is believed of whom we know only: our own
// host's applications on their way out.
void Exchange::clean_head(const HeadNotes& notes) {
  if (notes.envoy_fields) {
    trusted_ = connection_->trusted();
    if (!trusted_) clean_internal(head_->fields);
  }
  const xds::Edge& edge = chain_->config->edge;
  if (notes.client_cert || edge.client_cert != xds::Edge::ClientCert::Sanitize)
    apply_client_cert(head_->fields, edge.client_cert, connection_->client_cert(), scratch_);
}

void Exchange::resolve_options() {
  const xds::FilterChain& chain = *chain_->config;
  options_ = options_of(*route_, chain);
  const route::RequestPolicy* const policy = options_.policy;
  if (policy != nullptr && !policy->retriable_request_headers.empty() &&
      !policy->retriable_request_headers.any_holds(*head_))
    options_.retry = nullptr;
  if (grpc_) use_grpc_timeout(*head_, *route_, chain, options_);
  if (trusted_) use_request_fields(*head_, grpc_, *route_, chain, extras().asked, options_);
  arm_watch();
}

// False: answered already.
bool Exchange::normalise_path() {
  switch (http::normalise_path(&head_->path, path_, chain_->config->path)) {
    case http::PathVerdict::Good: return true;
    case http::PathVerdict::Refused:
      reply(400, {}, "path_normalization_failed", "the path cannot be normalised");
      return false;
    case http::PathVerdict::Redirect:
      extras().location = head_->path;
      reply(307, {}, "path_normalization_failed", {});
      return false;
  }
  return false;
}

// Envoy's route timeout runs from here.
void Exchange::request_complete() {
  request_ended_ = true;
  request_end_ = worker_.loop().now();
  if (options_.timeout > Duration::zero() && phase_ < Phase::Tunnel)
    request_deadline_.arm(options_.timeout);
  // Envoy's timeout of a try runs from its connection, and not before the request's end.
  if (phase_ == Phase::Trying && attempt_->stream() != nullptr &&
      options_.per_try_timeout > Duration::zero())
    try_deadline_.arm(options_.per_try_timeout);
}

void Exchange::on_data(std::string_view bytes, bool end) {
  request_bytes_ += bytes.size();
  touch();
  if (end) request_complete();
  if (phase_ == Phase::Awaiting || phase_ == Phase::Asking) {
    keep_for_retry(bytes, false);
    if (phase_ == Phase::Asking && extras_->authorizing->awaits_body)
      return on_body_for_authorizer();
    if (body_.size() >= kBodyHeldMax) hold_downstream();
    return;
  }
  if (!forwarding()) return;  // answered: the rest of the request is of no use
  if (extras_)
    for (const auto& tap : extras_->taps) tap->on_data(bytes, end);
  http::Stream* const up = attempt_->stream();
  if (up == nullptr && phase_ >= Phase::Answering) return;
  keep_for_retry(bytes, up != nullptr);
  if (up == nullptr) {
    if (body_.size() >= kBodyHeldMax) hold_downstream();
    return;
  }
  up->send_data(bytes, end);
  if (attempt_->stream() == up && up->buffered() > http::Stream::kBufferedHigh) hold_downstream();
}

// What is not sent yet is kept in any case; what is, for as long as it fits.
void Exchange::keep_for_retry(std::string_view bytes, bool sent) {
  if (sent && keep_body_ && body_.size() + bytes.size() > options_.body_kept_max) {
    keep_body_ = false;
    body_.clear();
    count(upstream::ClusterCount::RetryOrShadowAbandoned);
  }
  if (!sent || keep_body_) body_.append(bytes);
  if (sent && !keep_body_) body_lost_ = true;
}

void Exchange::on_trailers(http::Fields& trailers) {
  trailers_ = &trailers;
  touch();
  request_complete();
  if (phase_ == Phase::Asking && extras_->authorizing->awaits_body) return begin_asking();
  if (!forwarding()) return;
  if (extras_)
    for (const auto& tap : extras_->taps) tap->on_trailers(trailers);
  http::Stream* const up = attempt_->stream();
  if (up == nullptr) return;
  if (phase_ == Phase::Tunnel)
    up->send_data({}, true);
  else
    up->send_trailers(trailers);
}

void Exchange::hold_downstream() {
  if (held_ || down_ == nullptr || request_ended_) return;
  held_ = true;
  down_->pause();
}

void Exchange::release_downstream() {
  if (!held_ || awaits_tunnel()) return;
  held_ = false;
  if (down_ == nullptr) return;
  down_->resume();
  if (connection_ != nullptr) connection_->kick();
}

void Exchange::on_attempt_room(upstream::Attempt&) { release_downstream(); }

}  // namespace mesh::forward

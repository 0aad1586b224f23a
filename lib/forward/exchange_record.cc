// What is counted and logged of an exchange.
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/worker.h"
#include "http/path.h"
#include "xds/jwt_authn.h"

namespace mesh::forward {

// Of this request alone: what tags of the metrics say of it.
telemetry::Scope& Exchange::with_values(telemetry::Scope& scope,
                                        const std::vector<telemetry::TagValue>& wanted) {
  using Kind = telemetry::TagValue::Kind;
  std::array<std::string_view, telemetry::kRequestValuesMax> values;
  std::array<char, 8> port;
  for (size_t i = 0; i < wanted.size(); ++i) {
    std::string_view& value = values[i];
    switch (wanted[i].kind) {
      case Kind::Method: value = head_->method; break;
      case Kind::Host: value = head_->authority; break;
      case Kind::Scheme: value = head_->scheme; break;
      case Kind::Protocol: value = http::to_string(head_->protocol); break;
      case Kind::UrlPath: value = http::without_query(head_->path); break;
      case Kind::Header: value = head_->fields.get(wanted[i].text).value_or(""); break;
      case Kind::RouteName: value = route_ != nullptr ? route_->name : std::string_view(); break;
      case Kind::ClusterName:
        if (cluster_ != nullptr) value = cluster_->cluster->spec().name();
        break;
      case Kind::DestinationPort: {
        const auto end = std::to_chars(port.data(), port.data() + port.size(),
                                       connection_->local_address().port());
        value = {port.data(), size_t(end.ptr - port.data())};
        break;
      }
      case Kind::Text:
      case Kind::Label:
      case Kind::MutualTls: break;
    }
  }
  return scope.with(wanted, {values.data(), wanted.size()});
}

void Exchange::record(Duration duration) {
  telemetry::RequestFacts facts;
  facts.status = status_;
  facts.flags = flags_;
  if (grpc_) {
    facts.protocol = telemetry::RequestProtocol::Grpc;
    if (grpc_status_ >= 0) facts.grpc_status = uint8_t(grpc_status_);
  }
  if (inbound_) {
    facts.security =
        connection_->secure() ? telemetry::Security::MutualTls : telemetry::Security::None;
    if (connection_->secure()) facts.peer = connection_->peer();
  } else if (tries_ > 0) {
    facts.security =
        attempt_->secure() ? telemetry::Security::MutualTls : telemetry::Security::None;
    facts.peer = attempt_->peer();
  }
  facts.duration = duration;
  if (grpc_ && chain_->config->grpc_stats != xds::FilterChain::GrpcStats::None) {
    const bool by_method = chain_->config->grpc_stats == xds::FilterChain::GrpcStats::ByMethod;
    worker_.grpc_stats().record(by_method ? original_path_ : std::string_view(), grpc_status_);
  }
  if (options_.policy != nullptr && options_.policy->stat) {
    const bool asked = tries_ > 0 && attempt_->host() != balance::kNoHost;
    worker_.route_stats().record(*options_.policy->stat, asked ? tries_ : 0, status_);
  }
  facts.request_bytes = request_bytes_;
  facts.response_bytes = response_bytes_;
  telemetry::Scope& scope =
      cluster_ != nullptr ? view_->scope(*cluster_, inbound_) : view_->no_cluster(inbound_);
  if (const auto* const values = view_->tag_values(inbound_); values != nullptr)
    with_values(scope, *values).record(facts);
  else
    scope.record(facts);
  if (fact_ == 0) return;
  worker_.facts().end(std::exchange(fact_, 0),
                      route_ != nullptr ? std::string_view(route_->name) : std::string_view(),
                      cluster_ != nullptr ? cluster_->cluster->spec().name() : std::string_view(),
                      status_);
}

void Exchange::keep_fact() {
  net::Stream& stream = connection_->stream();
  fact_ = worker_.facts().begin({.at = worker_.loop().wall(),
                                 .listener = connection_->listener().config->name,
                                 .head = *head_,
                                 .peer = stream.peer_identity(),
                                 .remote = connection_->remote_text(),
                                 .local = connection_->local_text(),
                                 .server_name = stream.sni(),
                                 .route_config = chain_->routes != nullptr
                                                     ? std::string_view(chain_->routes->name())
                                                     : std::string_view(),
                                 .claims = !chain_->asked_claims.empty()});
}

// Once: the filters that follow a wait, or another route, have no more to say of tokens.
void Exchange::keep_claims(const filter::Verdict& verdict) {
  using Tokens = RequestFact::Tokens;
  if (verdict.reroute || (verdict.ask != nullptr && filters_->claims().empty())) return;
  const bool refused = verdict.details.starts_with(xds::kJwtDenied);
  const auto& claims = filters_->claims();
  worker_.facts().add_claims(
      fact_, refused ? Tokens::Refused : (claims.empty() ? Tokens::None : Tokens::Good),
      chain_->asked_claims, claims);
}

telemetry::AccessEntry Exchange::entry() {
  telemetry::AccessEntry entry;
  if (start_wall_ == WallTime{}) start_wall_ = worker_.loop().wall();
  entry.start = start_wall_;
  entry.method = head_->method;
  entry.scheme = head_->scheme;
  entry.authority = head_->authority;
  entry.path = head_->path;
  if (head_->path.data() != original_path_.data()) entry.original_path = original_path_;
  entry.request_fields = &head_->fields;
  entry.response_fields = response_fields_;
  entry.protocol = http::to_string(head_->protocol);
  entry.status = status_;
  if (grpc_) entry.grpc_status = grpc_status_;
  entry.flags = flags_;
  entry.status_details = details_;
  if (extras_) entry.transport_failure = extras_->transport_failure;
  entry.bytes_received = request_bytes_;
  entry.bytes_sent = response_bytes_;
  if (request_ended_) entry.request_duration = std::max(Duration(0), request_end_ - start_);
  if (response_start_ != Instant{}) entry.response_duration = response_start_ - start_;
  entry.upstream_service_time = service_time_;
  if (route_ != nullptr) entry.route_name = route_->name;
  if (cluster_ != nullptr) entry.upstream_cluster = cluster_->cluster->spec().name();
  if (tries_ > 0) entry.upstream_host = attempt_->host_text();
  entry.attempts = tries_;
  entry.downstream_local_address = connection_->local_text();
  entry.downstream_remote_address = connection_->remote_text();
  net::Stream& stream = connection_->stream();
  entry.downstream_peer_uri_san = stream.peer_identity();
  entry.downstream_tls_version = stream.tls_version();
  entry.downstream_tls_cipher = stream.tls_cipher();
  entry.requested_server_name = stream.sni();
  return entry;
}

void Exchange::log(Duration duration) {
  telemetry::AccessEntry entry = this->entry();
  entry.duration = duration;
  for (const auto& sink : chain_->logs) worker_.log(sink, entry);
}

}  // namespace mesh::forward

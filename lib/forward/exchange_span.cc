// The span of a request whose trace is sampled; its tags are those of Envoy's tracers.
#include <algorithm>
#include <charconv>

#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/worker.h"
#include "telemetry/trace_context.h"

namespace mesh::forward {
namespace {

constexpr std::string_view kOperation = "x-envoy-decorator-operation";

std::string_view value_of(const http::Fields& fields, std::string_view name,
                          std::string_view otherwise = "-") {
  return fields.get(name).value_or(otherwise);
}

// A number as a tag.
class Digits {
 public:
  explicit Digits(uint64_t number)
      : size_(size_t(std::to_chars(text_, text_ + sizeof text_, number).ptr - text_)) {}
  std::string_view view() const { return {text_, size_}; }

 private:
  char text_[24];
  size_t size_;
};

// Those that Envoy takes for an error: the server's, not the caller's.
bool is_error(int grpc_status) {
  constexpr uint32_t kErrors = 1U << 2 /* UNKNOWN */ | 1U << 4 /* DEADLINE_EXCEEDED */ |
                               1U << 12 /* UNIMPLEMENTED */ | 1U << 13 /* INTERNAL */ |
                               1U << 14 /* UNAVAILABLE */ | 1U << 15 /* DATA_LOSS */;
  return grpc_status >= 0 && grpc_status < 32 && (kErrors >> grpc_status & 1U) != 0;
}

}  // namespace

// From here on the request tells of our span as the parent.
void Exchange::begin_span(bool trace_began) {
  const auto context =
      telemetry::parse_traceparent(head_->fields.get("traceparent").value_or(std::string_view()));
  if (!context) return;
  Extras& extras = this->extras();
  extras.traced = true;
  extras.span = {.trace_id = context->trace_id, .span_id = context->parent_id, .parent_id = {}};
  if (start_wall_ == WallTime{}) start_wall_ = worker_.loop().wall();
  if (inbound_)
    if (const auto name = head_->fields.get(kOperation)) {
      extras.span_name = *name;
      head_->fields.remove(kOperation);
    }
  if (trace_began) return;
  extras.span.parent_id = context->parent_id;
  const telemetry::TraceContext ours = telemetry::child_of(*context, worker_.random());
  extras.span.span_id = ours.parent_id;
  std::array<char, telemetry::kTraceparentBytes> text;
  head_->fields.set("traceparent", scratch_.keep(telemetry::format_traceparent(ours, text)));
}

void Exchange::name_span() {
  if (!inbound_ && route_->decorator != nullptr && route_->decorator->propagate)
    head_->fields.set(kOperation, route_->decorator->operation);
}

void Exchange::end_span(Duration duration) {
  extras_->traced = false;
  const xds::SpanPolicy& policy = *chain_->config->spans;
  const bool outbound =
      connection_->listener().config->direction == xds::TrafficDirection::Outbound;
  const http::Fields& fields = head_->fields;
  telemetry::SpanBatch& batch = worker_.spans().batch(policy);
  std::string name = extras_->span_name;
  if (name.empty() && route_ != nullptr && route_->decorator != nullptr)
    name = route_->decorator->operation;
  if (name.empty()) name = outbound ? "egress " + std::string(head_->authority) : "ingress";
  // OpenTelemetry, "HTTP spans": what is the client's fault is no error of the server.
  const bool failed = status_ >= (outbound ? 400 : 500);
  batch.begin({.context = extras_->span,
               .kind = outbound ? telemetry::SpanKind::Client : telemetry::SpanKind::Server,
               .error = failed,
               .start = start_wall_,
               .duration = duration},
              name, value_of(fields, "tracestate", ""));
  tag_request(batch, policy.path_bytes_max);
  tag_response(batch);
  tag_as_configured(batch, policy, duration);
}

void Exchange::tag_request(telemetry::SpanBatch& batch, size_t path_bytes_max) {
  const http::Fields& fields = head_->fields;
  const Local& local = worker_.local();
  if (!local.node_id.empty()) batch.tag("node_id", local.node_id);
  if (!local.zone.empty()) batch.tag("zone", local.zone);
  if (const auto id = fields.get("x-request-id")) batch.tag("guid:x-request-id", *id);
  std::string url(value_of(fields, "x-forwarded-proto", head_->scheme));
  url.append("://").append(head_->authority).append(original_path_.substr(0, path_bytes_max));
  batch.tag("http.url", url);
  batch.tag("http.method", head_->method);
  batch.tag("downstream_cluster", value_of(fields, "x-envoy-downstream-service-cluster"));
  batch.tag("user_agent", value_of(fields, "user-agent"));
  batch.tag("http.protocol", http::to_string(head_->protocol));
  batch.tag("peer.address", connection_->remote_host());
  if (const auto id = fields.get("x-client-trace-id")) batch.tag("guid:x-client-trace-id", *id);
  if (!grpc_) return;
  batch.tag("grpc.path", original_path_);
  batch.tag("grpc.authority", head_->authority);
  batch.tag("grpc.content_type", value_of(fields, "content-type", ""));
  if (const auto timeout = fields.get("grpc-timeout")) batch.tag("grpc.timeout", *timeout);
}

void Exchange::tag_response(telemetry::SpanBatch& batch) {
  batch.tag("request_size", Digits(request_bytes_).view());
  batch.tag("response_size", Digits(response_bytes_).view());
  batch.tag("component", "proxy");
  if (cluster_ != nullptr) {
    const xds::Cluster& cluster = *cluster_->cluster->spec().config;
    batch.tag("upstream_cluster", cluster.name);
    batch.tag("upstream_cluster.name",
              cluster.alt_stat_name.empty() ? cluster.name : cluster.alt_stat_name);
  }
  batch.tag("http.status_code", Digits(status_).view());
  batch.tag("response_flags", to_string(flags_));
  if (status_ == 0 || status_ >= 500 || (grpc_ && is_error(grpc_status_)))
    batch.tag("error", "true");
  if (grpc_ && grpc_status_ >= 0)
    batch.tag("grpc.status_code", Digits(uint64_t(grpc_status_)).view());
}

void Exchange::tag_as_configured(telemetry::SpanBatch& batch, const xds::SpanPolicy& policy,
                                 Duration duration) {
  std::string text;
  telemetry::AccessEntry entry;
  for (const xds::SpanTag& tag : policy.tags) {
    using Kind = xds::SpanTag::Kind;
    std::string_view value = tag.text;
    if (tag.kind == Kind::Header) value = value_of(head_->fields, tag.text, tag.otherwise);
    if (tag.kind == Kind::Format) {
      if (entry.request_fields == nullptr) {
        entry = this->entry();
        entry.duration = duration;
      }
      text.clear();
      tag.format.append(entry, text);
      value = text;
    }
    if (!value.empty()) batch.tag(tag.name, value);
  }
}

}  // namespace mesh::forward

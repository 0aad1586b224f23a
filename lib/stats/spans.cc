#include "stats/spans.h"

#include <string>

#include "opentelemetry/proto/trace/v1/trace.pb.h"

namespace mesh::stats {
namespace {

namespace otlp = opentelemetry::proto::trace::v1;
using Attributes = google::protobuf::RepeatedPtrField<opentelemetry::proto::common::v1::KeyValue>;

// OTLP's strings are UTF-8, and what requests say may be anything: what is not ASCII is
// a "?" each.
std::string ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (uint8_t(c) >= 0x80) c = '?';
  return out;
}

void add(std::string_view key, std::string_view value, Attributes& to) {
  auto& attribute = *to.Add();
  attribute.set_key(std::string(key));
  attribute.mutable_value()->set_string_value(ascii(value));
}

template <size_t N>
std::string bytes(const std::array<uint8_t, N>& id) {
  return {id.begin(), id.end()};
}

uint64_t nanos(WallTime::duration d) {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(d).count());
}

void encode(const telemetry::SpanBatch::Span& span, otlp::Span& out) {
  constexpr uint32_t kSampled = 1;
  const auto& head = span.head;
  out.set_trace_id(bytes(head.context.trace_id));
  out.set_span_id(bytes(head.context.span_id));
  if (!head.context.root()) out.set_parent_span_id(bytes(head.context.parent_id));
  out.set_trace_state(ascii(span.trace_state));
  out.set_flags(kSampled);
  out.set_name(ascii(span.name));
  out.set_kind(head.kind == telemetry::SpanKind::Server ? otlp::Span::SPAN_KIND_SERVER
                                                        : otlp::Span::SPAN_KIND_CLIENT);
  const uint64_t start = nanos(head.start.time_since_epoch());
  out.set_start_time_unix_nano(start);
  out.set_end_time_unix_nano(start + nanos(head.duration));
  if (head.error) out.mutable_status()->set_code(otlp::Status::STATUS_CODE_ERROR);
  for (const auto& [key, value] : span.tags) add(key, value, *out.mutable_attributes());
}

}  // namespace

void encode(const telemetry::SpanBatch& batch, std::string_view version, otlp::ResourceSpans& out) {
  Attributes& resource = *out.mutable_resource()->mutable_attributes();
  add("service.name", batch.service(), resource);
  add("telemetry.sdk.language", "cpp", resource);
  add("telemetry.sdk.name", "mesh", resource);
  add("telemetry.sdk.version", version, resource);
  auto& scope = *out.add_scope_spans();
  scope.mutable_scope()->set_name("mesh");
  scope.mutable_scope()->set_version(std::string(version));
  batch.for_each([&](const auto& span) { encode(span, *scope.add_spans()); });
}

Result<size_t> check(const otlp::ResourceSpans& spans) {
  size_t count = 0;
  for (const auto& scope : spans.scope_spans()) {
    count += size_t(scope.spans_size());
    if (count > kSpansAReportMax)
      return Error{Errc::TooBig, "over " + std::to_string(kSpansAReportMax) + " spans"};
    for (const auto& span : scope.spans())
      if (span.trace_id().size() != 16 || span.span_id().size() != 8)
        return Error{Errc::Invalid, "a span without an id"};
  }
  if (count == 0) return Error{Errc::Invalid, "no spans"};
  return count;
}

}  // namespace mesh::stats

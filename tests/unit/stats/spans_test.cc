// Spans as OTLP has them, and what is no report of any.
#include "stats/spans.h"

#include <catch2/catch.hpp>

#include "opentelemetry/proto/trace/v1/trace.pb.h"

using namespace mesh;
using opentelemetry::proto::trace::v1::ResourceSpans;
using opentelemetry::proto::trace::v1::Span;
using opentelemetry::proto::trace::v1::Status;

namespace {

ResourceSpans encoded(bool root, bool error) {
  telemetry::SpanBatch batch("reviews.demo", "");
  telemetry::SpanBatch::Head head;
  head.context.trace_id.fill(0xab);
  head.context.span_id.fill(0xcd);
  if (!root) head.context.parent_id.fill(0xef);
  head.kind = telemetry::SpanKind::Client;
  head.error = error;
  head.start = WallTime(std::chrono::seconds(100));
  head.duration = std::chrono::microseconds(1500);
  batch.begin(head, "egress reviews", "a=b");
  batch.tag("http.url", "http://reviews/\xc3\xa9");
  ResourceSpans out;
  stats::encode(batch, "1.2", out);
  return out;
}

}  // namespace

TEST_CASE("spans: OTLP's form", "[stats]") {
  const ResourceSpans out = encoded(false, true);
  std::string resource;
  for (const auto& attribute : out.resource().attributes())
    resource += attribute.key() + "=" + attribute.value().string_value() + " ";
  CHECK(resource ==
        "service.name=reviews.demo telemetry.sdk.language=cpp telemetry.sdk.name=mesh "
        "telemetry.sdk.version=1.2 ");
  REQUIRE(out.scope_spans_size() == 1);
  REQUIRE(out.scope_spans(0).spans_size() == 1);
  const Span& span = out.scope_spans(0).spans(0);
  CHECK(span.trace_id() == std::string(16, '\xab'));
  CHECK(span.span_id() == std::string(8, '\xcd'));
  CHECK(span.parent_span_id() == std::string(8, '\xef'));
  CHECK(span.trace_state() == "a=b");
  CHECK(span.kind() == Span::SPAN_KIND_CLIENT);
  CHECK(span.start_time_unix_nano() == 100'000'000'000);
  CHECK(span.end_time_unix_nano() == 100'001'500'000);
  CHECK(span.status().code() == Status::STATUS_CODE_ERROR);
  // What is not ASCII would not be UTF-8 for sure.
  CHECK(span.attributes(0).value().string_value() == "http://reviews/??");
  const auto checked = stats::check(out);
  REQUIRE(checked);
  CHECK(*checked == 1);

  const Span root = encoded(true, false).scope_spans(0).spans(0);
  CHECK(root.parent_span_id().empty());
  CHECK_FALSE(root.has_status());
}

TEST_CASE("spans: what is no report of any", "[stats]") {
  CHECK(stats::check(ResourceSpans()).error().kind == Errc::Invalid);
  ResourceSpans spans = encoded(true, false);
  spans.mutable_scope_spans(0)->mutable_spans(0)->set_span_id("short");
  CHECK(stats::check(spans).error().kind == Errc::Invalid);
  spans = encoded(true, false);
  for (size_t i = 0; i < stats::kSpansAReportMax; ++i)
    *spans.mutable_scope_spans(0)->add_spans() = spans.scope_spans(0).spans(0);
  CHECK(stats::check(spans).error().kind == Errc::TooBig);
}

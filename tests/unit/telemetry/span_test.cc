// A batch of spans gives back what was put into it, within its bounds.
#include "telemetry/span.h"

#include <catch2/catch.hpp>

using namespace mesh;
using namespace mesh::telemetry;

namespace {

SpanBatch::Head head(uint8_t id) {
  SpanBatch::Head head;
  head.context.trace_id[15] = id;
  head.context.span_id[7] = id;
  return head;
}

}  // namespace

TEST_CASE("span batch: spans come back in order, each with its tags", "[telemetry]") {
  SpanBatch batch("reviews.demo", "collector");
  CHECK(batch.empty());
  batch.begin(head(1), "ingress", "a=b");
  batch.tag("component", "proxy");
  batch.tag("zone", "");
  batch.begin(head(2), "", "");
  std::string told;
  batch.for_each([&](const SpanBatch::Span& span) {
    told += std::to_string(span.head.context.span_id[7]) + ":" + std::string(span.name) + ":" +
            std::string(span.trace_state);
    for (const auto& [name, value] : span.tags)
      told += " " + std::string(name) + "=" + std::string(value);
    told += "\n";
  });
  CHECK(told == "1:ingress:a=b component=proxy zone=\n2::\n");
  CHECK(batch.size() == 2);
  CHECK(head(1).context.root());
}

TEST_CASE("span batch: it is full by number or by bytes, and cuts what is long", "[telemetry]") {
  SpanBatch many("s", "");
  while (!many.full()) many.begin(head(1), "n", "");
  CHECK(many.size() == SpanBatch::kSpansMax);

  SpanBatch large("s", "");
  const std::string text(100'000, 'x');
  while (!large.full()) {
    large.begin(head(1), text, "");
    large.tag("k", text);
  }
  CHECK(large.size() <= SpanBatch::kBytesMax / SpanBatch::kTextMax);
  large.for_each([](const SpanBatch::Span& span) {
    CHECK(span.name.size() == SpanBatch::kTextMax);
    CHECK(span.tags.at(0).second.size() == SpanBatch::kTextMax);
  });
}

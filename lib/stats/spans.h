// Spans as OTLP has them.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "telemetry/span.h"

namespace opentelemetry::proto::trace::v1 {
class ResourceSpans;
}  // namespace opentelemetry::proto::trace::v1

namespace mesh::stats {

inline constexpr size_t kSpansAReportMax = 512;

// Into an empty message; `version` is the program's own.
void encode(const telemetry::SpanBatch& batch, std::string_view version,
            opentelemetry::proto::trace::v1::ResourceSpans& out);

// How many spans there are. Errc::Invalid: none, or ids that are none; Errc::TooBig: over
// kSpansAReportMax.
Result<size_t> check(const opentelemetry::proto::trace::v1::ResourceSpans& spans);

}  // namespace mesh::stats

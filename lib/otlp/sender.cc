#include "otlp/sender.h"

#include <algorithm>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace mesh::otlp {

Outcome accepted(const std::string& response) {
  Outcome outcome;
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse message;
  // One that does not parse says nothing of the spans: the status said that they were taken.
  if (!message.ParseFromString(response)) return outcome;
  outcome.rejected = uint64_t(std::max<int64_t>(message.partial_success().rejected_spans(), 0));
  outcome.text = message.partial_success().error_message();
  return outcome;
}

}  // namespace mesh::otlp

#include "forward/filter/fault.h"

#include "resilience/fault.h"

namespace mesh::forward::filter {

Verdict Fault::on_try(Context& context) const {
  if (!context.route.fault) return {};
  const resilience::Fault fault = resilience::decide_fault(*context.route.fault, context.random);
  Verdict verdict;
  if (fault.delay > Duration::zero()) {
    verdict.delay = fault.delay;
    verdict.delay_flags = telemetry::Flag::DelayInjected;
  }
  if (fault.abort) {
    verdict.status = fault.http_status;
    if (fault.grpc_status) verdict.grpc_status = *fault.grpc_status;
    verdict.flags = telemetry::Flag::FaultInjected;
    verdict.details = "fault_filter_abort";
    verdict.body = "fault filter abort";
  }
  return verdict;
}

}  // namespace mesh::forward::filter

#include "forward/filter/fault.h"

#include "resilience/fault.h"

namespace mesh::forward::filter {

std::shared_ptr<const Filter> Fault::make(const resilience::FaultPolicy& policy) {
  if (policy == resilience::FaultPolicy{}) return nullptr;
  return std::make_shared<const Fault>(policy);
}

Verdict Fault::on_try(Context& context, Slot&) const {
  const resilience::Fault fault = resilience::decide_fault(policy_, context.random);
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

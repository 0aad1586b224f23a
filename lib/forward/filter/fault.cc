#include "forward/filter/fault.h"

#include "base/check.h"
#include "resilience/fault.h"

namespace mesh::forward::filter {

std::shared_ptr<const Filter> Fault::make(std::shared_ptr<const route::FilterConfig> config) {
  const auto* const rules = route::value_of<route::FaultRules>(config.get());
  MESH_CHECK(rules != nullptr);
  if (rules->policy == resilience::FaultPolicy{}) return nullptr;
  return std::make_shared<const Fault>(std::move(config), *rules);
}

Verdict Fault::on_try(Context& context, Slot& slot) const {
  const route::Request request{.authority = context.head.authority,
                               .method = context.head.method,
                               .scheme = context.head.scheme,
                               .path = context.head.path,
                               .fields = &context.head.fields};
  const resilience::Fault fault =
      resilience::decide_fault(route::fault_odds(rules_, request, context.route), context.random);
  if (!fault) return {};
  if (rules_.max_active && slot[0] == 0) {
    if (active_.fetch_add(1, std::memory_order_relaxed) >= *rules_.max_active) {
      active_.fetch_sub(1, std::memory_order_relaxed);
      return {};
    }
    slot[0] = 1;
  }
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

void Fault::on_end(const End&, Instant, Slot& slot) const {
  if (slot[0] != 0) active_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace mesh::forward::filter

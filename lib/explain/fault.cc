#include "explain/fault.h"

#include "base/text.h"
#include "forward/grpc.h"
#include "route/explain.h"
#include "xds/filter_in_force.h"

namespace mesh::explain {
namespace {

double percent_of(resilience::Fraction share) { return double(share.per_million) / 10'000; }

std::string delay_text(const v1::Fault& fault, bool is_late) {
  return route::percent_text(fault.delay_percent()) + " of tries: delayed " + fault.delay() +
         " by fault" + (is_late ? ", past their timeout" : "");
}

std::string abort_text(const v1::Fault& fault) {
  std::string text = route::percent_text(fault.failed_percent()) +
                     " of such requests: " + std::to_string(fault.status());
  if (fault.has_grpc_status()) text += ", gRPC status " + std::to_string(fault.grpc_status());
  text += " by fault";
  constexpr double kTold = 0.005;  // percents are told to two places
  if (fault.failed_percent() < fault.abort_percent() - kTold)
    text += " (" + route::percent_text(fault.abort_percent()) + " of their tries)";
  return text;
}

}  // namespace

const route::FaultRules* faults_of(const route::Route& route, const xds::FilterChain& chain) {
  for (const xds::HttpFilter& filter : chain.http_filters) {
    const auto* const rules =
        route::value_of<route::FaultRules>(xds::filter_in_force(filter, &route));
    if (rules != nullptr && rules->policy != resilience::FaultPolicy{}) return rules;
  }
  return nullptr;
}

FaultWords add_fault(const Held& held, const RoutePlace& place, const route::Route& route,
                     const xds::FilterChain& chain, const route::Request& request, v1::Hop& hop) {
  const route::FaultRules* const rules = faults_of(route, chain);
  if (rules == nullptr || rules->max_active == 0U) return {};
  const resilience::FaultOdds odds = route::fault_odds(*rules, request, route);
  if (!odds) return {};
  v1::Fault& fault = *hop.mutable_fault();
  *fault.mutable_origin() = held.route_origin(place.table, place.host, place.route, "fault");
  FaultWords words;
  if (rules->max_active)
    words.unknown = "no more than " + std::to_string(*rules->max_active) +
                    " requests are under the fault at once; the answer is that of one that is";
  const route::FaultOutcome outcome =
      route::fault_outcome(odds, route, forward::is_grpc(*request.fields));
  words.status = outcome.status;
  words.details = outcome.details;
  if (odds.delay_share.per_million > 0) {
    fault.set_delay(text::format_duration(odds.delay));
    fault.set_delay_percent(percent_of(odds.delay_share));
    words.text = delay_text(fault, outcome.late);
  }
  if (odds.abort_share.per_million == 0) return words;
  fault.set_status(odds.http_status);
  if (odds.grpc_status) fault.set_grpc_status(*odds.grpc_status);
  fault.set_abort_percent(percent_of(odds.abort_share));
  fault.set_failed_percent(100 * outcome.aborted);
  // Nobody gets to an abort behind a delay that is too long.
  if (outcome.status == 0 || !outcome.late)
    words.text += (words.text.empty() ? "" : "; ") + abort_text(fault);
  return words;
}

}  // namespace mesh::explain

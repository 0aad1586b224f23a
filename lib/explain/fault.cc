#include "explain/fault.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "forward/grpc.h"
#include "forward/request_options.h"
#include "resilience/retry.h"
#include "route/explain.h"
#include "xds/filter_in_force.h"

namespace mesh::explain {
namespace {

constexpr uint32_t kAll = 1'000'000;

double percent_of(resilience::Fraction share) { return double(share.per_million) / 10'000; }

// Tries that a request has where each ends so.
uint32_t tries(const forward::RequestOptions& options, const resilience::Outcome& outcome) {
  const bool again = options.retry != nullptr && resilience::retriable(*options.retry, outcome);
  return again ? options.retry->num_retries + 1 : 1;
}

// RESPONSE_CODE_DETAILS where every try waits so long that nobody is asked; empty: somebody is.
std::string_view late(const forward::RequestOptions& options, Duration delay) {
  const bool of_try =
      options.per_try_timeout > Duration::zero() && delay >= options.per_try_timeout;
  const Duration tried = of_try
                             ? options.per_try_timeout *
                                   tries(options, {.failure = resilience::Failure::PerTryTimeout})
                             : delay;
  if (options.timeout > Duration::zero() && tried >= options.timeout) return "response_timeout";
  return of_try ? "upstream_per_try_timeout" : "";
}

// As Exchange::fault_answer().
resilience::Outcome outcome_of(const resilience::FaultOdds& odds, const route::Request& request) {
  resilience::Outcome outcome;
  outcome.status = odds.http_status;
  if (odds.grpc_status && forward::is_grpc(*request.fields)) outcome.grpc_status = odds.grpc_status;
  return outcome;
}

std::string delay_text(const v1::Fault& fault, bool is_late) {
  return route::percent_text(fault.delay_percent()) + " of tries: delayed " + fault.delay() +
         " by fault" + (is_late ? ", past their timeout" : "");
}

std::string abort_text(const v1::Fault& fault) {
  std::string text = route::percent_text(fault.failed_percent()) +
                     " of such requests: " + std::to_string(fault.status());
  if (fault.has_grpc_status()) text += ", gRPC status " + std::to_string(fault.grpc_status());
  text += " by fault";
  if (fault.failed_percent() < fault.abort_percent())
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
  const forward::RequestOptions options = forward::options_of(route, chain);
  v1::Fault& fault = *hop.mutable_fault();
  *fault.mutable_origin() = held.route_origin(place.table, place.host, place.route, "fault");
  FaultWords words;
  if (rules->max_active)
    words.unknown = "no more than " + std::to_string(*rules->max_active) +
                    " requests are under the fault at once; the answer is that of one that is";
  const bool aborts = odds.abort_share.per_million > 0;
  if (odds.delay_share.per_million > 0) {
    const std::string_view details = late(options, odds.delay);
    fault.set_delay(text::format_duration(odds.delay));
    fault.set_delay_percent(percent_of(odds.delay_share));
    words.text = delay_text(fault, !details.empty());
    if (!details.empty() && odds.delay_share.per_million >= kAll) {
      words.status = 504;
      words.details = details;
    }
  }
  if (!aborts) return words;
  fault.set_status(odds.http_status);
  if (odds.grpc_status) fault.set_grpc_status(*odds.grpc_status);
  fault.set_abort_percent(percent_of(odds.abort_share));
  const uint32_t all_tries = tries(options, outcome_of(odds, request));
  fault.set_failed_percent(all_tries == 1 ? fault.abort_percent()
                                          : 100 * std::pow(fault.abort_percent() / 100, all_tries));
  if (words.status != 0) return words;
  words.text += (words.text.empty() ? "" : "; ") + abort_text(fault);
  if (odds.abort_share.per_million >= kAll) {
    words.status = odds.http_status;
    words.details = "fault_filter_abort";
  }
  return words;
}

}  // namespace mesh::explain

#include "forward/head_rules.h"

#include <array>
#include <charconv>
#include <string>

#include "telemetry/request_id.h"
#include "telemetry/trace_context.h"

namespace mesh::forward {
namespace {

// Requests from outside must not steer retries, timeouts or what we log.
void clean_edge(http::Fields& fields) {
  constexpr std::array kInternal =
      std::to_array<std::string_view>({"x-envoy-attempt-count",
                                       "x-envoy-decorator-operation",
                                       "x-envoy-downstream-service-cluster",
                                       "x-envoy-downstream-service-node",
                                       "x-envoy-expected-rq-timeout-ms",
                                       "x-envoy-external-address",
                                       "x-envoy-force-trace",
                                       "x-envoy-hedge-on-per-try-timeout",
                                       "x-envoy-internal",
                                       "x-envoy-ip-tags",
                                       "x-envoy-max-retries",
                                       "x-envoy-original-path",
                                       "x-envoy-original-url",
                                       "x-envoy-retriable-header-names",
                                       "x-envoy-retriable-status-codes",
                                       "x-envoy-retry-grpc-on",
                                       "x-envoy-retry-on",
                                       "x-envoy-upstream-alt-stat-name",
                                       "x-envoy-upstream-rq-per-try-timeout-ms",
                                       "x-envoy-upstream-rq-timeout-alt-response",
                                       "x-envoy-upstream-rq-timeout-ms",
                                       "x-request-id"});
  for (const std::string_view name : kInternal) fields.remove(name);
}

// One pass finds all that is looked for.
struct Found {
  std::string_view request_id, traceparent, tracestate, forwarded_for, forwarded_proto;
  bool internal = false;  // an x-envoy- field
};

Found find(const http::Fields& fields) {
  Found found;
  for (const http::Field& f : fields) {
    if (f.name.empty()) continue;
    if (f.name[0] == 'x') {
      if (f.name == "x-request-id") found.request_id = f.value;
      if (f.name == "x-forwarded-for") found.forwarded_for = f.value;
      if (f.name == "x-forwarded-proto") found.forwarded_proto = f.value;
      if (f.name.starts_with("x-envoy-")) found.internal = true;
    } else if (f.name[0] == 't') {
      if (f.name == "traceparent") found.traceparent = f.value;
      if (f.name == "tracestate") found.tracestate = f.value;
    }
  }
  return found;
}

void trace(http::RequestHead& head, const Found& found, Random& random, Scratch& scratch) {
  // Carried on as it came: no span of ours is reported, so none is claimed.
  if (!found.traceparent.empty() && telemetry::parse_traceparent(found.traceparent)) {
    if (!found.tracestate.empty() && !telemetry::valid_tracestate(found.tracestate))
      head.fields.remove("tracestate");
    return;
  }
  if (!found.tracestate.empty()) head.fields.remove("tracestate");
  std::array<char, telemetry::kTraceparentBytes> text;
  const auto context = telemetry::new_trace(false, random);
  const auto value = scratch.keep(telemetry::format_traceparent(context, text));
  if (found.traceparent.empty())
    head.fields.add("traceparent", value);
  else
    head.fields.set("traceparent", value);
}

}  // namespace

void prepare_request(http::RequestHead& head, const xds::FilterChain& chain, const HeadFacts& facts,
                     Random& random, Scratch& scratch) {
  Found found = find(head.fields);
  if (chain.edge.use_remote_address) {
    if (found.internal || !found.request_id.empty()) clean_edge(head.fields);
    found.request_id = {};
    std::string forwarded(found.forwarded_for);
    if (!forwarded.empty()) forwarded += ", ";
    forwarded += facts.remote_host;
    head.fields.set("x-forwarded-for", scratch.keep(forwarded));
    head.fields.remove("x-forwarded-proto");
    found.forwarded_proto = {};
  }
  if (found.forwarded_proto.empty())
    head.fields.add("x-forwarded-proto", facts.secure ? "https" : "http");
  if (found.request_id.empty() ? chain.generate_request_id
                               : !telemetry::valid_request_id(found.request_id)) {
    std::array<char, telemetry::kRequestIdBytes> text;
    const auto value = scratch.keep(telemetry::make_request_id(random, text));
    if (found.request_id.empty())
      head.fields.add("x-request-id", value);
    else
      head.fields.set("x-request-id", value);
  }
  if (chain.trace_context) trace(head, found, random, scratch);
}

void add_service_time(http::Fields& fields, Duration time, Scratch& scratch) {
  char text[24];
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  const auto end = std::to_chars(text, text + sizeof text, ms).ptr;
  fields.set("x-envoy-upstream-service-time", scratch.keep({text, size_t(end - text)}));
}

}  // namespace mesh::forward

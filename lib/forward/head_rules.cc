#include "forward/head_rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/text.h"
#include "net/address.h"
#include "telemetry/request_id.h"
#include "telemetry/trace_context.h"

namespace mesh::forward {
namespace {

// One pass finds all that is looked for.
struct Found {
  std::string_view request_id, traceparent, tracestate, forwarded_for, forwarded_proto;
  // How often, with an empty value too.
  uint8_t request_ids = 0, traceparents = 0, forwarded_protos = 0;
  bool envoy = false;  // an x-envoy- field
  bool client_cert = false;
};

void count(uint8_t& times, std::string_view& value, std::string_view now) {
  if (times < 2) ++times;
  value = now;
}

Found find(const http::Fields& fields) {
  Found found;
  for (const http::Field& f : fields) {
    if (f.name.empty()) continue;
    if (f.name[0] == 'x') {
      if (f.name == "x-request-id") count(found.request_ids, found.request_id, f.value);
      if (f.name == "x-forwarded-for") found.forwarded_for = f.value;
      if (f.name == "x-forwarded-proto")
        count(found.forwarded_protos, found.forwarded_proto, f.value);
      if (f.name == "x-forwarded-client-cert") found.client_cert = true;
      if (f.name.starts_with("x-envoy-")) found.envoy = true;
    } else if (f.name[0] == 't') {
      if (f.name == "traceparent") count(found.traceparents, found.traceparent, f.value);
      if (f.name == "tracestate") found.tracestate = f.value;
    }
  }
  return found;
}

// Envoy, "Trace sampling": one that an inner hop or the client asks for, else a share,
// chosen by the request's id so that all hops choose alike.
bool samples(const http::Fields& fields, const xds::TraceSampling& sampling, Random& random) {
  if (!sampling.by_request_id) return true;
  const std::string_view id = fields.get("x-request-id").value_or(std::string_view());
  uint32_t number = 0;
  if (id.size() != telemetry::kRequestIdBytes ||
      std::from_chars(id.data(), id.data() + 8, number, 16).ptr != id.data() + 8)
    return false;
  const uint32_t place = number % 10'000;
  // What an Envoy before us has decided stands in the id.
  const bool decided = id[14] == '9' || id[14] == 'a' || id[14] == 'b';
  return place < sampling.overall &&
         (decided || place < sampling.random || fields.get("x-envoy-force-trace") ||
          (fields.get("x-client-trace-id") && random.below(10'000) < sampling.client));
}

// Returns what there is to report where spans are.
HeadNotes::Trace trace(http::RequestHead& head, const Found& found,
                       const xds::TraceSampling& sampling, Random& random, Scratch& scratch) {
  using Trace = HeadNotes::Trace;
  // Carried on as it came: whoever reports a span of ours puts that in its place.
  // More than one is as none (W3C Trace Context, 3.2).
  if (found.traceparents == 1) {
    if (const auto context = telemetry::parse_traceparent(found.traceparent)) {
      if (!found.tracestate.empty() && !telemetry::valid_tracestate(found.tracestate))
        head.fields.remove("tracestate");
      return context->sampled ? Trace::Continued : Trace::None;
    }
  }
  if (!found.tracestate.empty()) head.fields.remove("tracestate");
  std::array<char, telemetry::kTraceparentBytes> text;
  const auto context = telemetry::new_trace(samples(head.fields, sampling, random), random);
  const auto value = scratch.keep(telemetry::format_traceparent(context, text));
  if (found.traceparents == 0)
    head.fields.add("traceparent", value);
  else
    head.fields.set("traceparent", value);
  return context.sampled ? Trace::Begun : Trace::None;
}

// The `hops`-th address from the right (0: the last); empty where there is none that
// is an IP address.
std::string_view forwarded_address(std::string_view list, uint32_t hops) {
  while (hops-- > 0) {
    const size_t comma = list.rfind(',');
    if (comma == std::string_view::npos) return {};
    list = list.substr(0, comma);
  }
  const size_t comma = list.rfind(',');
  const auto last = text::trim(comma == std::string_view::npos ? list : list.substr(comma + 1));
  return net::Address::ip(last, 0) ? last : std::string_view();
}

// Several fields of one name are one list.
std::string joined(const http::Fields& fields, std::string_view name) {
  std::string result;
  for (const http::Field& f : fields)
    if (f.name == name) result.append(result.empty() ? "" : ",").append(f.value);
  return result;
}

// The immediate peer is believed only as far as the edge counts trusted hops.
void believe_edge(http::RequestHead& head, Found& found, const xds::Edge& edge,
                  const HeadFacts& facts, Scratch& scratch) {
  std::string forwarded;
  if (!found.forwarded_for.empty()) forwarded = joined(head.fields, "x-forwarded-for");
  std::string_view client;
  if (edge.xff_num_trusted_hops > 0)
    client = scratch.keep(forwarded_address(forwarded, edge.xff_num_trusted_hops - 1));
  if (client.empty()) client = facts.remote_host;
  if (!edge.skip_xff_append) {
    forwarded.append(forwarded.empty() ? "" : ",").append(facts.remote_host);
    head.fields.set("x-forwarded-for", scratch.keep(forwarded));
  }
  if (edge.xff_num_trusted_hops == 0 && found.forwarded_protos > 0) {
    head.fields.remove("x-forwarded-proto");
    found.forwarded_protos = 0;
  }
  if (found.envoy) clean_internal(head.fields);
  head.fields.add("x-envoy-external-address", client);
  if (!edge.preserve_external_request_id && found.request_ids > 0) {
    head.fields.remove("x-request-id");
    found.request_ids = 0;
  }
}

}  // namespace

void clean_internal(http::Fields& fields) {
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
                                       "x-envoy-is-timeout-retry",
                                       "x-envoy-max-retries",
                                       "x-envoy-original-host",
                                       "x-envoy-original-path",
                                       "x-envoy-original-url",
                                       "x-envoy-retriable-header-names",
                                       "x-envoy-retriable-status-codes",
                                       "x-envoy-retry-grpc-on",
                                       "x-envoy-retry-on",
                                       "x-envoy-upstream-alt-stat-name",
                                       "x-envoy-upstream-rq-per-try-timeout-ms",
                                       "x-envoy-upstream-rq-timeout-alt-response",
                                       "x-envoy-upstream-rq-timeout-ms"});
  std::erase_if(fields.list(), [&](const http::Field& f) {
    return f.name.starts_with("x-envoy-") &&
           std::find(kInternal.begin(), kInternal.end(), f.name) != kInternal.end();
  });
}

HeadNotes prepare_request(http::RequestHead& head, const xds::FilterChain& chain,
                          const HeadFacts& facts, Random& random, Scratch& scratch) {
  Found found = find(head.fields);
  HeadNotes notes{.envoy_fields = found.envoy && !chain.edge.use_remote_address,
                  .client_cert = found.client_cert};
  if (chain.edge.use_remote_address) believe_edge(head, found, chain.edge, facts, scratch);
  const std::string_view scheme = facts.secure ? "https" : "http";
  if (found.forwarded_protos == 0)
    head.fields.add("x-forwarded-proto", scheme);
  else if (found.forwarded_protos > 1 || found.forwarded_proto.empty())
    head.fields.set("x-forwarded-proto", scheme);
  else if (head.protocol != http::Protocol::Http2 &&
           (found.forwarded_proto == "http" || found.forwarded_proto == "https"))
    head.scheme = found.forwarded_proto;  // HTTP/1 has none of its own
  if (found.request_ids == 0
          ? chain.generate_request_id
          : found.request_ids > 1 || !telemetry::valid_request_id(found.request_id)) {
    std::array<char, telemetry::kRequestIdBytes> text;
    const auto value = scratch.keep(telemetry::make_request_id(random, text));
    if (found.request_ids == 0)
      head.fields.add("x-request-id", value);
    else
      head.fields.set("x-request-id", value);
  }
  if (chain.trace_context) {
    const auto traced = trace(head, found, chain.trace_sampling, random, scratch);
    if (chain.spans != nullptr) notes.trace = traced;
  }
  return notes;
}

authz::Ip client_ip(const http::Fields& fields, const xds::Edge& edge, const authz::Ip& remote) {
  authz::Ip client;
  if (edge.use_remote_address) {
    client = authz::Ip::parse(fields.get("x-envoy-external-address").value_or(std::string_view()));
  } else {
    size_t lists = 0;
    for (const http::Field& f : fields) lists += f.name == "x-forwarded-for" ? 1 : 0;
    const auto list = fields.get("x-forwarded-for").value_or(std::string_view());
    client = authz::Ip::parse(
        forwarded_address(lists > 1 ? joined(fields, "x-forwarded-for") : std::string(list),
                          edge.xff_num_trusted_hops));
  }
  return client.size != 0 ? client : remote;
}

void set_number(http::Fields& fields, std::string_view name, uint64_t value, Scratch& scratch) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  fields.set(name, scratch.keep({text, size_t(end - text)}));
}

void add_service_time(http::Fields& fields, Duration time, Scratch& scratch) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  set_number(fields, "x-envoy-upstream-service-time", uint64_t(std::max<int64_t>(ms, 0)), scratch);
}

}  // namespace mesh::forward

// What the forwarder adds to a request's head, and what it takes away.
#include "forward/head_rules.h"

#include <catch2/catch.hpp>

#include "forward/client_cert.h"
#include "forward/grpc.h"
#include "telemetry/trace_context.h"

using namespace mesh;
using namespace mesh::forward;

namespace {

struct Prepared {
  explicit Prepared(std::initializer_list<http::Field> fields, bool edge = false,
                    bool secure = false, bool traces = false,
                    const xds::TraceSampling& sampling = {}) {
    for (const auto& f : fields) head.fields.add(f.name, f.value);
    chain.edge.use_remote_address = edge;
    chain.trace_context = traces;
    chain.trace_sampling = sampling;
    prepare_request(head, chain, {.secure = secure, .remote_host = "10.0.0.7"}, random, scratch);
  }
  std::string field(std::string_view name) const {
    return std::string(head.fields.get(name).value_or("(none)"));
  }
  xds::FilterChain chain;
  Random random{7};
  Scratch scratch;
  http::RequestHead head;
};

constexpr std::string_view kTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

}  // namespace

TEST_CASE("head rules: what is missing is made", "[forward]") {
  const Prepared made({}, false, true);
  CHECK(made.field("x-request-id").size() == 36);
  CHECK(made.field("traceparent") == "(none)");
  CHECK(made.field("x-forwarded-proto") == "https");
  CHECK(made.field("x-forwarded-for") == "(none)");
}

TEST_CASE("head rules: what is well-formed is carried", "[forward]") {
  const Prepared made({{"x-request-id", "abc"},
                       {"traceparent", kTrace},
                       {"x-forwarded-proto", "https"},
                       {"x-envoy-attempt-count", "2"},
                       {"x-forwarded-for", "1.2.3.4"}});
  CHECK(made.field("x-request-id") == "abc");
  CHECK(made.field("traceparent") == kTrace);
  CHECK(made.field("x-forwarded-proto") == "https");
  CHECK(made.field("x-forwarded-for") == "1.2.3.4");
  CHECK(made.field("x-envoy-attempt-count") == "2");
}

TEST_CASE("head rules: what is empty, or there twice, is made anew, and stands once", "[forward]") {
  for (const std::string_view first : {"", "https"}) {
    const Prepared made({{"x-request-id", first},
                         {"x-request-id", ""},
                         {"traceparent", first.empty() ? first : kTrace},
                         {"traceparent", kTrace},
                         {"x-forwarded-proto", first},
                         {"x-forwarded-proto", "https"}},
                        false, false, true);
    CHECK(made.field("x-request-id").size() == 36);
    CHECK(made.field("traceparent") != kTrace);
    CHECK(telemetry::parse_traceparent(made.field("traceparent")));
    CHECK(made.field("x-forwarded-proto") == "http");
    CHECK(made.head.fields.size() == 3);
  }
}

TEST_CASE("head rules: without tracing a trace passes as it came", "[forward]") {
  const Prepared made({{"traceparent", "00-xyz"}, {"tracestate", "a=b"}});
  CHECK(made.field("traceparent") == "00-xyz");
  CHECK(made.field("tracestate") == "a=b");
}

TEST_CASE("head rules: to a chain that traces a malformed trace is as good as none", "[forward]") {
  const Prepared none({}, false, false, true);
  CHECK(none.field("traceparent").size() == 55);
  const Prepared made({{"traceparent", "00-xyz"}, {"tracestate", "a=b"}}, false, false, true);
  CHECK(made.field("traceparent").size() == 55);
  CHECK(made.field("tracestate") == "(none)");
}

TEST_CASE("head rules: whose trace is sampled is told where spans are reported", "[forward]") {
  using Trace = HeadNotes::Trace;
  struct Row {
    std::string_view traceparent;
    uint16_t random;
    bool by_request_id, spans;
    Trace want;
  };
  constexpr std::string_view kUnsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  const Row rows[] = {
      {kTrace, 0, true, true, Trace::Continued},
      {kTrace, 0, true, false, Trace::None},
      {kUnsampled, 10'000, true, true, Trace::None},
      {"", 10'000, true, true, Trace::Begun},
      {"", 10'000, true, false, Trace::None},
      {"", 0, true, true, Trace::None},
      {"", 0, false, true, Trace::Begun},  // Envoy: no share holds then
      {"00-xyz", 10'000, true, true, Trace::Begun},
  };
  for (const Row& row : rows) {
    CAPTURE(row.traceparent, row.random, row.by_request_id, row.spans);
    xds::FilterChain chain;
    chain.trace_context = true;
    chain.trace_sampling.random = row.random;
    chain.trace_sampling.by_request_id = row.by_request_id;
    if (row.spans) chain.spans = std::make_shared<const xds::SpanPolicy>();
    http::RequestHead head;
    if (!row.traceparent.empty()) head.fields.add("traceparent", row.traceparent);
    Random random{7};
    Scratch scratch;
    CHECK(prepare_request(head, chain, {}, random, scratch).trace == row.want);
  }
}

TEST_CASE("head rules: an edge believes nothing", "[forward]") {
  const Prepared made({{"x-request-id", "abc"},
                       {"x-envoy-retry-on", "5xx"},
                       {"x-envoy-upstream-rq-timeout-ms", "1"},
                       {"x-forwarded-proto", "https"},
                       {"x-forwarded-for", "1.2.3.4"}},
                      true);
  CHECK(made.field("x-request-id") != "abc");
  CHECK(made.field("x-envoy-retry-on") == "(none)");
  CHECK(made.field("x-envoy-upstream-rq-timeout-ms") == "(none)");
  CHECK(made.field("x-forwarded-proto") == "http");
  CHECK(made.field("x-forwarded-for") == "1.2.3.4,10.0.0.7");
}

TEST_CASE("head rules: who the client is, behind proxies that are trusted", "[forward]") {
  struct Row {
    uint32_t hops;
    std::string_view forwarded, want_client, want_forwarded;
  };
  const Row rows[] = {
      {0, "", "10.0.0.7", "10.0.0.7"},
      {0, "1.2.3.4", "10.0.0.7", "1.2.3.4,10.0.0.7"},
      {1, "1.2.3.4", "1.2.3.4", "1.2.3.4,10.0.0.7"},
      {1, "6.6.6.6, 1.2.3.4", "1.2.3.4", "6.6.6.6, 1.2.3.4,10.0.0.7"},
      {2, "1.2.3.4, 5.6.7.8", "1.2.3.4", "1.2.3.4, 5.6.7.8,10.0.0.7"},
      {2, "1.2.3.4", "10.0.0.7", "1.2.3.4,10.0.0.7"},
      {1, "unknown", "10.0.0.7", "unknown,10.0.0.7"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.hops, row.forwarded);
    xds::FilterChain chain;
    chain.edge.use_remote_address = true;
    chain.edge.xff_num_trusted_hops = row.hops;
    http::RequestHead head;
    if (!row.forwarded.empty()) head.fields.add("x-forwarded-for", row.forwarded);
    head.fields.add("x-forwarded-proto", "https");
    Random random{7};
    Scratch scratch;
    prepare_request(head, chain, {.secure = false, .remote_host = "10.0.0.7"}, random, scratch);
    CHECK(head.fields.get("x-envoy-external-address") == row.want_client);
    CHECK(head.fields.get("x-forwarded-for") == row.want_forwarded);
    CHECK(head.fields.get("x-forwarded-proto") == (row.hops == 0 ? "http" : "https"));
  }
}

TEST_CASE("head rules: an edge may leave x-forwarded-for, and believe a request id", "[forward]") {
  xds::FilterChain chain;
  chain.edge.use_remote_address = true;
  chain.edge.skip_xff_append = true;
  chain.edge.preserve_external_request_id = true;
  http::RequestHead head;
  head.fields.add("x-request-id", "abc");
  Random random{7};
  Scratch scratch;
  prepare_request(head, chain, {.secure = false, .remote_host = "10.0.0.7"}, random, scratch);
  CHECK_FALSE(head.fields.get("x-forwarded-for"));
  CHECK(head.fields.get("x-request-id") == "abc");
}

TEST_CASE("head rules: x-envoy-* that only the mesh may say are cleaned", "[forward]") {
  http::RequestHead head;
  head.fields.add("x-envoy-retry-on", "5xx");
  head.fields.add("x-envoy-upstream-rq-timeout-ms", "1");
  head.fields.add("x-envoy-peer-metadata-id", "kept");
  Random random{7};
  Scratch scratch;
  const HeadNotes notes = prepare_request(head, {}, {}, random, scratch);
  CHECK(notes.envoy_fields);
  clean_internal(head.fields);
  CHECK_FALSE(head.fields.get("x-envoy-retry-on"));
  CHECK_FALSE(head.fields.get("x-envoy-upstream-rq-timeout-ms"));
  CHECK(head.fields.get("x-envoy-peer-metadata-id") == "kept");
}

TEST_CASE("client cert: each mode, with and without a proof", "[forward]") {
  using Mode = xds::Edge::ClientCert;
  struct Row {
    Mode mode;
    std::string_view element, before, want;
  };
  const Row rows[] = {
      {Mode::Sanitize, "Hash=1", "forged", "(none)"},
      {Mode::ForwardOnly, "Hash=1", "theirs", "theirs"},
      {Mode::ForwardOnly, "", "forged", "(none)"},
      {Mode::AppendForward, "Hash=1", "theirs", "theirs,Hash=1"},
      {Mode::AppendForward, "Hash=1", "", "Hash=1"},
      {Mode::AppendForward, "", "forged", "(none)"},
      {Mode::SanitizeSet, "Hash=1", "forged", "Hash=1"},
      {Mode::SanitizeSet, "", "forged", "(none)"},
      {Mode::AlwaysForwardOnly, "", "theirs", "theirs"},
  };
  for (const Row& row : rows) {
    CAPTURE(int(row.mode), row.element, row.before);
    http::Fields fields;
    if (!row.before.empty()) fields.add("x-forwarded-client-cert", row.before);
    Scratch scratch;
    apply_client_cert(fields, row.mode, row.element, scratch);
    CHECK(fields.get("x-forwarded-client-cert").value_or("(none)") == row.want);
  }
}

TEST_CASE("head rules: what gRPC is", "[forward]") {
  const auto grpc = [](std::string_view type) {
    http::Fields fields;
    fields.add("content-type", type);
    return is_grpc(fields);
  };
  CHECK(grpc("application/grpc"));
  CHECK(grpc("application/grpc+proto"));
  CHECK(grpc("application/grpc; charset=x"));
  CHECK_FALSE(grpc("application/grpc-web"));
  CHECK_FALSE(grpc("text/plain"));
}

TEST_CASE("head rules: what a gRPC caller is told fits one field", "[forward]") {
  CHECK(grpc_message("no healthy upstream") == "no healthy upstream");
  CHECK(grpc_message("50%\r\n\xc3\xbc") == "50%25%0D%0A%C3%BC");
  CHECK(grpc_message(std::string(5000, 'a')) == std::string(1024, 'a'));
}

TEST_CASE("head rules: which traces that begin here are sampled", "[forward]") {
  const auto sampled = [](std::initializer_list<http::Field> fields, xds::TraceSampling sampling) {
    return Prepared(fields, false, false, true, sampling).field("traceparent").ends_with("-01");
  };
  // 0x00000063 is 99, and so of ten thousand the hundredth.
  const http::Field id{"x-request-id", "00000063-1111-4111-8111-111111111111"};
  CHECK(sampled({}, {}));
  CHECK_FALSE(sampled({}, {.random = 0}));
  CHECK(sampled({id}, {.random = 100}));
  CHECK_FALSE(sampled({id}, {.random = 99}));
  CHECK_FALSE(sampled({id}, {.random = 100, .overall = 99}));
  CHECK(sampled({id, {"x-envoy-force-trace", "true"}}, {.random = 0}));
  CHECK(sampled({id, {"x-client-trace-id", "a"}}, {.random = 0}));
  CHECK_FALSE(sampled({id, {"x-client-trace-id", "a"}}, {.client = 0, .random = 0}));
  // An Envoy before us has decided, in the id.
  CHECK(sampled({{"x-request-id", "00000063-1111-9111-8111-111111111111"}}, {.random = 0}));
  // No number, no share of it.
  CHECK_FALSE(sampled({{"x-request-id", "abc"}}, {}));
  // What came is respected.
  CHECK(sampled({id, {"traceparent", kTrace}}, {.random = 0, .overall = 0}));
}

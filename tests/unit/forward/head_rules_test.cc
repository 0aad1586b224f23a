// What the forwarder adds to a request's head, and what it takes away.
#include "forward/head_rules.h"

#include "forward/grpc.h"

#include <catch2/catch.hpp>

using namespace mesh;
using namespace mesh::forward;

namespace {

struct Prepared {
  explicit Prepared(std::initializer_list<http::Field> fields, bool edge = false,
                    bool secure = false, bool traces = false) {
    for (const auto& f : fields) head.fields.add(f.name, f.value);
    chain.edge.use_remote_address = edge;
    chain.trace_context = traces;
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
  CHECK(made.field("x-forwarded-for") == "1.2.3.4, 10.0.0.7");
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

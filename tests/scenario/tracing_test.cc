// Spans of a mesh: one trace over two forwarders, mesh-metrics(7), "TRACES".
#include <catch2/catch.hpp>
#include <mutex>

#include "scenario/mesh.h"
#include "support/http_peer.h"
#include "support/wait.h"
#include "telemetry/span.h"
#include "telemetry/trace_context.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using telemetry::SpanBatch;

namespace {

std::string hex(const auto& bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const uint8_t b : bytes) out += {kHex[b >> 4], kHex[b & 15]};
  return out;
}

struct Span {
  std::string service, name, trace, id, parent, state;
  bool client = false, error = false;
  std::map<std::string, std::string> tags;
};

// Who is told of a forwarder's spans.
class Spans {
 public:
  explicit Spans(Proxy& proxy) {
    proxy.run([this](forward::Forwarder& forwarder) {
      forwarder.report_spans_by([this](const SpanBatch& batch) {
        take(batch);
        return size_t(0);
      });
    });
  }
  // The span whose url ends so, once it was told.
  Span of(const std::string& url) {
    Span found;
    REQUIRE(support::wait_for([&] {
      const std::lock_guard lock(mutex_);
      for (const Span& span : spans_)
        if (span.tags.at("http.url").ends_with(url)) found = span;
      return !found.id.empty();
    }));
    return found;
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return spans_.size();
  }

 private:
  void take(const SpanBatch& batch) {
    const std::lock_guard lock(mutex_);
    batch.for_each([&](const SpanBatch::Span& from) {
      Span& span = spans_.emplace_back();
      span.service = batch.service();
      span.name = from.name;
      span.state = from.trace_state;
      span.trace = hex(from.head.context.trace_id);
      span.id = hex(from.head.context.span_id);
      if (!from.head.context.root()) span.parent = hex(from.head.context.parent_id);
      span.client = from.head.kind == telemetry::SpanKind::Client;
      span.error = from.head.error;
      for (const auto& [name, value] : from.tags) span.tags[std::string(name)] = value;
    });
  }
  std::mutex mutex_;
  std::vector<Span> spans_;
};

std::string telemetry_object(const std::string& spec) {
  return "---\napiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: t, "
         "namespace: demo}\nspec: " +
         spec + "\n";
}

const std::string kProvider = object(
    "MeshConfig", "mesh",
    "{extensionProviders: [{name: otel, opentelemetry: {}}], defaultProviders: {tracing: [otel]}}");

// web-1 calls reviews-1, whose application is `application`.
std::string world(uint16_t port, const Origin& application) {
  return kProvider + instance("web", "web-1", 9, "", ", serviceAccount: web") + service("reviews") +
         instance("reviews", "reviews-1", port, "", ", serviceAccount: reviews") +
         object("Sidecar", "reviews-1",
                "{workloadSelector: {labels: {app: reviews}}, ingress: [{port: {number: " +
                    std::to_string(port) + ", protocol: HTTP, name: http}, defaultEndpoint: '" +
                    "127.0.0.1:" + std::to_string(application.port()) + "'}]}");
}

}  // namespace

TEST_CASE("tracing: one trace over two forwarders", "[forwarder]") {
  const uint32_t count = workers();
  Origin application("reviews");
  const uint16_t port = support::unused_port();
  Mesh mesh(world(port, application) +
            telemetry_object("{tracing: [{randomSamplingPercentage: 100, customTags: {team: "
                             "{literal: {value: shop}}, user: {header: {name: X-User, "
                             "defaultValue: nobody}}, gone: {header: {name: x-gone}}, code: "
                             "{formatter: {value: \"%RESPONSE_CODE%\"}}}}]}"));
  Proxy& callee = mesh.start("reviews-1", count);
  Proxy& caller = mesh.start("web-1", count);
  Spans served(callee), called(caller);

  const Message answer = support::get(caller.port("outbound"), "/a?b=c", "reviews",
                                      "x-user: ann\r\nuser-agent: test\r\n");
  REQUIRE(answer.status == 200);
  const Span client = called.of("/a?b=c");
  const Span server = served.of("/a?b=c");
  CHECK(client.trace == server.trace);
  CHECK(client.parent.empty());
  CHECK(server.parent == client.id);
  CHECK(client.client);
  CHECK_FALSE(server.client);
  CHECK_FALSE(client.error);
  // As Istio calls it; the caller tells the called.
  CHECK(client.name == "reviews:80/*");
  CHECK(server.name == client.name);
  CHECK(application.seen().at(0).field("x-envoy-decorator-operation").empty());
  CHECK(client.service == "web.demo");
  CHECK(server.service == "reviews.demo");
  // The application has the server's span as its parent.
  const Message seen = application.seen().at(0);
  CHECK(seen.field("traceparent") == "00-" + server.trace + "-" + server.id + "-01");

  const std::map<std::string, std::string> want = {
      {"code", "200"},
      {"component", "proxy"},
      {"downstream_cluster", "-"},
      {"guid:x-request-id", seen.field("x-request-id")},
      {"http.method", "GET"},
      {"http.protocol", "HTTP/2"},
      {"http.status_code", "200"},
      {"http.url", server.tags.at("http.url")},
      {"istio.canonical_revision", "latest"},
      {"istio.canonical_service", "reviews"},
      {"istio.cluster_id", "unknown"},
      {"istio.mesh_id", "cluster.local"},
      {"istio.namespace", "demo"},
      {"peer.address", "127.0.0.1"},
      {"request_size", "0"},
      {"response_flags", "-"},
      {"response_size", "7"},
      {"team", "shop"},
      {"upstream_cluster", server.tags.at("upstream_cluster")},
      {"upstream_cluster.name", server.tags.at("upstream_cluster")},
      {"user", "ann"},
      {"user_agent", "test"},
  };
  CHECK(server.tags == want);
  CHECK(client.tags.at("upstream_cluster") == "outbound|80||reviews");
  CHECK(client.tags.at("guid:x-request-id") == server.tags.at("guid:x-request-id"));
}

TEST_CASE("tracing: what failed, and whose fault it is", "[forwarder]") {
  const uint32_t count = workers();
  Origin application("reviews");
  application.handle([](const Message& request, support::Wire& wire) {
    if (request.start.find("/cut") != std::string::npos) return false;
    return wire.send(support::response(std::stoi(request.start.substr(5, 3)), "x"));
  });
  const uint16_t port = support::unused_port();
  Mesh mesh(
      world(port, application) +
      telemetry_object("{tracing: [{randomSamplingPercentage: 100, enableIstioTags: false}]}"));
  Proxy& callee = mesh.start("reviews-1", count);
  Proxy& caller = mesh.start("web-1", count);
  Spans served(callee), called(caller);

  struct Row {
    const char* path;
    bool client_error, server_error, tagged;
  };
  for (const Row& row : {Row{"/200", false, false, false}, Row{"/404", true, false, false},
                         Row{"/500", true, true, true}, Row{"/cut", true, true, true}}) {
    CAPTURE(row.path);
    support::get(caller.port("outbound"), row.path, "reviews");
    const Span client = called.of(row.path);
    const Span server = served.of(row.path);
    CHECK(client.error == row.client_error);
    CHECK(server.error == row.server_error);
    CHECK(client.tags.contains("error") == row.tagged);
    CHECK(server.tags.contains("error") == row.tagged);
    CHECK_FALSE(server.tags.contains("istio.mesh_id"));
  }
  CHECK(served.of("/cut").tags.at("response_flags") == "UC");
  CHECK(support::get(caller.port("outbound"), "/lost", "nobody").status == 404);
  const Span lost = called.of("/lost");
  CHECK(lost.tags.at("response_flags") == "NR");
  CHECK(lost.name == "egress nobody");
  CHECK_FALSE(lost.tags.contains("upstream_cluster"));
}

TEST_CASE("tracing: who comes with a decision keeps it, and only sampled ones are told",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin application("reviews");
  const uint16_t port = support::unused_port();
  const std::string all = world(port, application);
  Mesh mesh(all + telemetry_object("{tracing: [{randomSamplingPercentage: 0}]}"));
  Proxy& callee = mesh.start("reviews-1", count);
  Spans served(callee);
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";
  const auto ask = [&](const std::string& path, const std::string& flags) {
    return support::get(
        port, path, "reviews",
        "traceparent: 00-" + trace + "-b7ad6b7169203331-" + flags + "\r\ntracestate: a=b\r\n");
  };
  REQUIRE(ask("/unsampled", "00").status == 200);
  REQUIRE(support::get(port, "/nobody", "reviews").status == 200);
  REQUIRE(ask("/sampled", "01").status == 200);
  const Span span = served.of("/sampled");
  CHECK(span.trace == trace);
  CHECK(span.parent == "b7ad6b7169203331");
  CHECK(span.state == "a=b");
  CHECK(span.name == "ingress");
  CHECK(served.count() == 1);
  const auto seen = application.seen();
  CHECK(seen.at(0).field("traceparent") == "00-" + trace + "-b7ad6b7169203331-00");
  CHECK(seen.at(2).field("traceparent") == "00-" + trace + "-" + span.id + "-01");
  CHECK(seen.at(2).field("tracestate") == "a=b");

  // Not by the request's id: all that begin here are sampled (Envoy).
  mesh.apply(all + telemetry_object("{tracing: [{randomSamplingPercentage: 0, "
                                    "useRequestIdForTraceSampling: false}]}"));
  REQUIRE(support::wait_for([&] { return callee.in_force() == 2; }));
  REQUIRE(support::get(port, "/begun", "reviews").status == 200);
  CHECK(served.of("/begun").parent.empty());
  // Contexts without spans.
  mesh.apply(all + telemetry_object("{tracing: [{randomSamplingPercentage: 100, "
                                    "disableSpanReporting: true}]}"));
  REQUIRE(support::wait_for([&] { return callee.in_force() == 3; }));
  REQUIRE(ask("/silent", "01").status == 200);
  CHECK(application.seen().back().field("traceparent") == "00-" + trace + "-b7ad6b7169203331-01");
  CHECK(served.count() == 2);
}

TEST_CASE("tracing: spans that nobody takes are dropped and counted", "[forwarder]") {
  const uint32_t count = workers();
  Origin application("reviews");
  const uint16_t port = support::unused_port();
  Mesh mesh(world(port, application) +
            telemetry_object("{tracing: [{randomSamplingPercentage: 100}]}"));
  Proxy& callee = mesh.start("reviews-1", count);
  for (int i = 0; i < 600; ++i) REQUIRE(support::get(port, "/", "reviews").status == 200);
  REQUIRE(support::wait_for([&] {
    telemetry::Snapshot totals;
    callee.run([&](forward::Forwarder& forwarder) { forwarder.collect(totals); });
    return totals.numbers[{"envoy_tracing_opentelemetry_spans_dropped", {}, false}] == 600 &&
           totals.numbers[{"envoy_tracing_opentelemetry_spans_sent", {}, false}] == 0;
  }));
}

// What MeshConfig's extensionProviders may say: mesh-config(5).
#include <catch2/catch.hpp>

#include "config/object.h"

using namespace mesh;

namespace {

std::string said(const std::string& providers) {
  config::Problems problems("f.yaml");
  std::vector<config::v1::Object> objects;
  config::read_objects(
      "apiVersion: mesh/v1\nkind: MeshConfig\nmetadata: {name: x, namespace: istio-system}\n"
      "spec: {extensionProviders: [" +
          providers + "]}\n",
      problems, objects);
  std::string all;
  for (const std::string& line : problems.lines()) all += (all.empty() ? "" : "\n") + line;
  const std::string mark = "spec.extensionProviders";
  const size_t at = all.find(mark);
  return at == std::string::npos ? all : all.substr(at + mark.size());
}

std::string http(const std::string& more) {
  return "{name: opa, envoyExtAuthzHttp: {service: opa.demo, port: 80" +
         (more.empty() ? more : ", " + more) + "}}";
}
std::string grpc(const std::string& more) {
  return "{name: opa, envoyExtAuthzGrpc: {service: demo/opa, port: 80" +
         (more.empty() ? more : ", " + more) + "}}";
}

}  // namespace

TEST_CASE("object: MeshConfig.extensionProviders", "[config]") {
  const std::string in_http = "[0].envoyExtAuthzHttp.";
  const struct {
    const char* because;
    std::string providers;
    std::string want;
  } rows[] = {
      {"one over HTTP", http(""), ""},
      {"one over gRPC", grpc(""), ""},
      {"all of HTTP",
       http("timeout: 1s, pathPrefix: /check, failOpen: true, statusOnError: \"503\", "
            "includeRequestHeadersInCheck: [x-user, \"x-a-*\", \"*-id\"], "
            "includeAdditionalHeadersInCheck: {x-from: mesh}, includeRequestBodyInCheck: "
            "{maxRequestBytes: 10, allowPartialMessage: true}, headersToUpstreamOnAllow: [a], "
            "headersToDownstreamOnDeny: [b], headersToDownstreamOnAllow: [c], clearRouteCache: "
            "true"),
       ""},
      {"all of gRPC",
       grpc("timeout: 1s, failOpen: true, statusOnError: \"503\", includeRequestBodyInCheck: "
            "{maxRequestBytes: 10, packAsBytes: true}, clearRouteCache: true"),
       ""},
      {"a name twice", http("") + ", " + grpc(""), "[1].name: another provider has the name"},
      {"neither", "{name: opa}",
       "[0]: expected envoyExtAuthzHttp, envoyExtAuthzGrpc or opentelemetry"},
      {"no service", "{name: opa, envoyExtAuthzHttp: {port: 80}}",
       in_http + "service: expected a host name, got \"\""},
      {"no port", "{name: opa, envoyExtAuthzHttp: {service: a}}",
       in_http + "port: expected a port from 1 to 65535, got 0"},
      {"no status", http("statusOnError: \"600\""),
       in_http + "statusOnError: expected a status that Envoy knows, 200 to 511, got \"600\""},
      {"a relative prefix", http("pathPrefix: check"),
       in_http + "pathPrefix: expected a path that begins with /, got \"check\""},
      {"any header", http("headersToUpstreamOnAllow: [\"*\"]"),
       in_http + "headersToUpstreamOnAllow[0]: expected the name of a header, \"prefix*\" or "
                 "\"*suffix\", got \"*\""},
      {"an old name", http("includeHeadersInCheck: [a]"),
       in_http + "includeHeadersInCheck: not supported: deprecated; use "
                 "includeRequestHeadersInCheck"},
      {"a body of no bytes", http("includeRequestBodyInCheck: {}"),
       in_http + "includeRequestBodyInCheck.maxRequestBytes: expected 1 to 8388608"},
      {"bytes over HTTP",
       http("includeRequestBodyInCheck: {maxRequestBytes: 1, packAsBytes: true}"),
       in_http + "includeRequestBodyInCheck.packAsBytes: is for envoyExtAuthzGrpc: over HTTP a "
                 "body is bytes"},
      {"two lines", http("includeAdditionalHeadersInCheck: {a: \"b\\nc\"}"),
       in_http + "includeAdditionalHeadersInCheck[\"a\"]: expected the name of a header, and a "
                 "value on one line without %"},
  };
  for (const auto& row : rows) DYNAMIC_SECTION(row.because) {
      CHECK(said(row.providers) == row.want);
    }
}

// MeshConfig's extension providers.
#include <catch2/catch.hpp>

#include "unit/config/said.h"

using namespace mesh;

TEST_CASE("object: MeshConfig's extensionProviders", "[config]") {
  const std::string otel = "extensionProviders: [{name: otel, opentelemetry: {";
  const testing::Saying rows[] = {
      {"every field over HTTP",
       otel +
           "service: demo/otel.example, port: 4318, maxTagLength: 10, http: {path: /v1/traces, "
           "timeout: 2s, headers: [{name: a, value: b}]}}}], defaultProviders: {tracing: [otel]}",
       ""},
      {"over gRPC",
       otel + "service: otel, port: 4317, grpc: {initialMetadata: [{name: a, value: b}]}}}]", ""},
      {"for forwarders alone", otel + "}}]", ""},
      {"both", otel + "http: {}, grpc: {}}}]",
       "spec.extensionProviders[0].opentelemetry.grpc: http and grpc exclude each other"},
      {"a port of nothing", otel + "port: 1}}]",
       "spec.extensionProviders[0].opentelemetry.port: goes with service"},
      {"a header that is none", otel + "http: {headers: [{name: 'a b'}]}}}]",
       "spec.extensionProviders[0].opentelemetry.http.headers[0].name: expected the name of a "
       "header"},
      {"a path that is none", otel + "http: {path: x}}}]",
       "spec.extensionProviders[0].opentelemetry.http.path: expected a path from /"},
      {"nothing that it is", "extensionProviders: [{name: otel}]",
       "spec.extensionProviders[0]: expected envoyExtAuthzHttp, envoyExtAuthzGrpc or "
       "opentelemetry"},
      {"a name twice", otel + "}}, {name: otel, opentelemetry: {}}]",
       "spec.extensionProviders[1].name: another provider has the name"},
      {"spans in another's form", "extensionProviders: [{name: z, zipkin: {}}]",
       "spec.extensionProviders[0].zipkin: not supported: spans in its form; use opentelemetry"},
      {"a default that nobody is", otel + "}}], defaultProviders: {tracing: [lost]}",
       "spec.defaultProviders.tracing[0]: expected the name of one of extensionProviders that "
       "takes spans"},
  };
  check_sayings("mesh/v1", "MeshConfig", rows);
}

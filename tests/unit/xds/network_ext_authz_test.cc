// Network filters that ask whether a connection may be, as they come.
#include <catch2/catch.hpp>

#include "config/reader.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/service/auth/v3/external_auth.pb.h"
#include "xds/check_codec.h"
#include "xds/decode.h"

using namespace mesh;
using namespace mesh::xds;

namespace {

std::string ask(const std::string& fields) {
  return R"(
  - name: ask
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz
)" + fields;
}

const std::string kFull = R"(      statPrefix: a
      grpcService: {envoyGrpc: {clusterName: opa, authority: opa.example}, timeout: 2s}
)";
const std::string kRbac = R"(
  - name: rbac
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC
      statPrefix: r
)";
const std::string kRelay = R"(
  - name: tcp
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
      statPrefix: t
      cluster: c
)";

auto decoded(const std::string& filters) {
  envoy::config::listener::v3::Listener listener;
  const auto read = config::read_text(
      "name: l\naddress: {socketAddress: {address: 127.0.0.1, portValue: 1}}\n"
      "filterChains:\n- filters:" +
          filters,
      "test", listener);
  if (!read) FAIL(read.error().text);
  return decode_listener(listener.SerializeAsString());
}

}  // namespace

TEST_CASE("network ext_authz: whom it asks, behind which filters", "[xds]") {
  const auto listener = decoded(ask(kFull) + kRbac + ask(kFull + R"(      failureModeAllow: true
      includeTlsSession: true
      filterEnabledMetadata:
        filter: envoy.filters.network.rbac
        path: [{key: p_shadow_effective_policy_id}]
        value: {stringMatch: {prefix: x}}
)") + kRelay);
  INFO((listener ? std::string() : listener.error().text));
  REQUIRE(listener);
  const FilterChain& chain = (*listener)->filter_chains.at(0);
  REQUIRE(chain.authorizers.size() == 2);
  CHECK(chain.authorizers[0].behind == 0);
  CHECK(chain.authorizers[1].behind == 1);
  const authz::ExtAuthz& first = *chain.authorizers[0].config;
  CHECK(first.grpc);
  CHECK(first.cluster == "opa");
  CHECK(first.authority == "opa.example");
  CHECK(first.timeout == std::chrono::seconds(2));
  CHECK_FALSE(first.failure_allows);
  CHECK_FALSE(first.only);
  const authz::ExtAuthz& second = *chain.authorizers[1].config;
  CHECK(second.failure_allows);
  CHECK(second.tls_session);
  REQUIRE(second.only);
  CHECK(second.only->prefix == "p_");
}

TEST_CASE("network ext_authz: what is refused", "[xds]") {
  const std::string at = "filter_chains[0].filters[0].typed_config";
  const std::string manager = R"(
  - name: http
    typedConfig:
      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      statPrefix: h
)";
  const struct {
    std::string filters, want;
  } rows[] = {
      {ask("      statPrefix: a\n") + kRelay, at + ".grpc_service: is missing"},
      {ask("      grpcService: {envoyGrpc: {clusterName: opa}}\n") + kRelay,
       at + ".stat_prefix: is empty"},
      {ask(kFull + "      sendTlsAlertOnDenial: true\n") + kRelay,
       at + ".send_tls_alert_on_denial: is not supported"},
      {ask(kFull + "      filterEnabledMetadata: {filter: envoy.filters.http.rbac}\n") + kRelay,
       at + ".filter_enabled_metadata.filter: only envoy.filters.network.rbac is supported"},
      {ask(kFull) + manager,
       "filter_chains[0].filters[1]: envoy.filters.network.ext_authz is not supported before HTTP; "
       "use envoy.filters.http.ext_authz"},
  };
  for (const auto& row : rows) {
    const auto listener = decoded(row.filters);
    REQUIRE_FALSE(listener);
    CHECK(listener.error().text == row.want);
  }
}

TEST_CASE("network ext_authz: the question has the ends of the connection alone", "[xds]") {
  const http::RequestHead none;
  authz::ExtAuthz config;
  config.grpc = true;
  const std::string bytes = encode_check(config, {.head = none,
                                                  .of_connection = true,
                                                  .source = {"10.0.0.1", 5, "spiffe://d/ns/a/sa/b"},
                                                  .destination = {"10.0.0.2", 6, {}}});
  envoy::service::auth::v3::CheckRequest message;
  REQUIRE(bytes.size() > 5);
  REQUIRE(message.ParseFromString(bytes.substr(5)));
  const auto& told = message.attributes();
  CHECK(told.source().principal() == "spiffe://d/ns/a/sa/b");
  CHECK(told.destination().address().socket_address().port_value() == 6);
  CHECK_FALSE(told.has_request());
}

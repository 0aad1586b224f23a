#include "xds/dynamic_set.h"

#include <catch2/catch.hpp>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace mesh::xds {
namespace {

using Type = DynamicSet::Type;
using std::chrono::seconds;
namespace v3 = envoy::config;

std::string cluster(const std::string& name, const std::string& service = "",
                    uint32_t timeout_s = 1) {
  v3::cluster::v3::Cluster message;
  message.set_name(name);
  message.set_type(v3::cluster::v3::Cluster::EDS);
  message.mutable_connect_timeout()->set_seconds(timeout_s);
  message.mutable_eds_cluster_config()->mutable_eds_config()->mutable_ads();
  message.mutable_eds_cluster_config()->set_service_name(service);
  return message.SerializeAsString();
}

std::string endpoints(const std::string& name, uint32_t port) {
  v3::endpoint::v3::ClusterLoadAssignment message;
  message.set_cluster_name(name);
  auto& address = *message.add_endpoints()->add_lb_endpoints()->mutable_endpoint();
  address.mutable_address()->mutable_socket_address()->set_address("127.0.0.1");
  address.mutable_address()->mutable_socket_address()->set_port_value(port);
  return message.SerializeAsString();
}

std::string listener(const std::string& name, const std::string& routes) {
  envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager manager;
  manager.set_stat_prefix("a");
  manager.mutable_rds()->set_route_config_name(routes);
  manager.mutable_rds()->mutable_config_source()->mutable_ads();
  auto& filter = *manager.add_http_filters();
  filter.set_name("router");
  filter.mutable_typed_config()->PackFrom(
      envoy::extensions::filters::http::router::v3::Router::default_instance());
  v3::listener::v3::Listener message;
  message.set_name(name);
  message.mutable_address()->mutable_socket_address()->set_address("127.0.0.1");
  message.mutable_address()->mutable_socket_address()->set_port_value(1);
  message.add_filter_chains()->add_filters()->mutable_typed_config()->PackFrom(manager);
  return message.SerializeAsString();
}

std::string routes(const std::string& name) {
  v3::route::v3::RouteConfiguration message;
  message.set_name(name);
  return message.SerializeAsString();
}

namespace tls = envoy::extensions::transport_sockets::tls::v3;

// A cluster whose trust bundle `roots` comes by the aggregated stream, or from the cluster
// `server`.
std::string secured(const std::string& name, const std::string& server = "",
                    uint32_t fetch_timeout_s = 2) {
  tls::UpstreamTlsContext context;
  auto& secret =
      *context.mutable_common_tls_context()->mutable_validation_context_sds_secret_config();
  secret.set_name("roots");
  secret.mutable_sds_config()->mutable_initial_fetch_timeout()->set_seconds(fetch_timeout_s);
  if (server.empty()) {
    secret.mutable_sds_config()->mutable_ads();
  } else {
    auto& api = *secret.mutable_sds_config()->mutable_api_config_source();
    api.set_api_type(v3::core::v3::ApiConfigSource::GRPC);
    api.set_transport_api_version(v3::core::v3::V3);
    api.add_grpc_services()->mutable_envoy_grpc()->set_cluster_name(server);
  }
  v3::cluster::v3::Cluster message;
  message.set_name(name);
  message.set_type(v3::cluster::v3::Cluster::STATIC);
  message.mutable_load_assignment()->set_cluster_name(name);
  message.mutable_transport_socket()->set_name("tls");
  message.mutable_transport_socket()->mutable_typed_config()->PackFrom(context);
  return message.SerializeAsString();
}

std::string bundle(const std::string& name, const std::string& text = "pem") {
  tls::Secret message;
  message.set_name(name);
  message.mutable_validation_context()->mutable_trusted_ca()->set_inline_string(text);
  return message.SerializeAsString();
}

struct Bed {
  Instant now{seconds(100)};
  DynamicSet set{{}, {seconds(5), seconds(5)}};

  void put(Type type, const std::string& name, const std::string& body) {
    const auto done = set.set(type, name, "1", body);
    INFO((done ? "" : done.error().text));
    REQUIRE(done);
  }
  bool has_cluster(const std::string& name) const { return set.config()->clusters.contains(name); }
};

TEST_CASE("a new cluster is used when its endpoints have come, or its time is over") {
  Bed bed;
  bed.put(Type::Cluster, "a", cluster("a"));
  CHECK(bed.set.endpoint_names() == DynamicSet::Names{"a"});
  bed.set.settle(bed.now);
  CHECK_FALSE(bed.has_cluster("a"));
  CHECK(bed.set.warming(Type::Cluster));
  REQUIRE(bed.set.next() == bed.now + seconds(5));
  SECTION("they come") {
    bed.put(Type::Endpoint, "a", endpoints("a", 80));
    CHECK(bed.set.settle(bed.now));
    CHECK(bed.set.config()->endpoints.contains("a"));
  }
  SECTION("the server has none") {
    bed.set.remove(Type::Endpoint, "a");
    CHECK(bed.set.settle(bed.now));
  }
  SECTION("nothing comes") {
    CHECK_FALSE(bed.set.settle(bed.now + seconds(4)));
    CHECK(bed.set.settle(bed.now + seconds(5)));
  }
  CHECK(bed.has_cluster("a"));
  CHECK_FALSE(bed.set.warming(Type::Cluster));
  CHECK(bed.set.next() == std::nullopt);
  CHECK(bed.set.counts(Type::Cluster).added == 1);
}

TEST_CASE("the version before serves for as long as the new one is not warm") {
  Bed bed;
  bed.put(Type::Cluster, "a", cluster("a"));
  bed.put(Type::Endpoint, "a", endpoints("a", 80));
  bed.set.settle(bed.now);
  const auto before = bed.set.config()->clusters.at("a");
  bed.put(Type::Cluster, "a", cluster("a", "other"));
  CHECK(bed.set.endpoint_names() == DynamicSet::Names{"a", "other"});
  CHECK_FALSE(bed.set.settle(bed.now));
  CHECK_FALSE(bed.set.settle(bed.now + seconds(600)));  // however silent the server is
  CHECK(bed.set.config()->clusters.at("a") == before);
  CHECK(bed.set.counts(Type::Cluster).warming == 1);
  bed.put(Type::Endpoint, "other", endpoints("other", 81));
  CHECK(bed.set.settle(bed.now));
  CHECK(bed.set.config()->clusters.at("a") != before);
  CHECK_FALSE(bed.set.config()->endpoints.contains("a"));  // nothing names it any more
  CHECK(bed.set.counts(Type::Cluster).modified == 1);
}

TEST_CASE("listeners wait for their routes in the same way") {
  Bed bed;
  bed.put(Type::Listener, "l", listener("l", "r"));
  bed.set.settle(bed.now);
  CHECK(bed.set.config()->listeners.empty());
  bed.put(Type::Route, "r", routes("r"));
  CHECK(bed.set.settle(bed.now));
  REQUIRE(bed.set.config()->listeners.size() == 1);
  bed.put(Type::Listener, "l", listener("l", "later"));
  bed.set.settle(bed.now + seconds(60));
  CHECK(bed.set.config()->listeners[0]->filter_chains[0].route_config_name == "r");
  CHECK(bed.set.route_names() == DynamicSet::Names{"later", "r"});
  bed.put(Type::Route, "later", routes("later"));
  CHECK(bed.set.settle(bed.now));
  CHECK(bed.set.route_names() == DynamicSet::Names{"later"});
}

TEST_CASE("what is taken back goes, but for what something in use names") {
  Bed bed;
  bed.put(Type::Cluster, "a", cluster("a"));
  bed.put(Type::Cluster, "b", cluster("b"));
  for (const char* const name : {"a", "b"}) bed.put(Type::Endpoint, name, endpoints(name, 80));
  bed.set.settle(bed.now);
  bed.set.remove(Type::Endpoint, "a");
  bed.set.settle(bed.now);
  CHECK(bed.set.config()->endpoints.contains("a"));
  bed.set.keep_only(Type::Cluster, {"a"});
  CHECK(bed.set.settle(bed.now));
  CHECK(bed.has_cluster("a"));
  CHECK_FALSE(bed.has_cluster("b"));
  CHECK_FALSE(bed.set.config()->endpoints.contains("b"));
  CHECK(bed.set.counts(Type::Cluster).removed == 1);
}

TEST_CASE("the same bytes change nothing, so that connections stay") {
  Bed bed;
  bed.put(Type::Cluster, "a", cluster("a"));
  bed.put(Type::Endpoint, "a", endpoints("a", 80));
  CHECK(bed.set.settle(bed.now));
  const auto before = bed.set.config();
  REQUIRE(bed.set.set(Type::Cluster, "a", "2", cluster("a")));
  REQUIRE(bed.set.set(Type::Endpoint, "a", "2", endpoints("a", 80)));
  CHECK_FALSE(bed.set.settle(bed.now));
  CHECK(bed.set.config() == before);
  CHECK(bed.set.resources().at(0).version == "2");
}

TEST_CASE("what is refused leaves what was there, and static resources stay") {
  Bed bed;
  Config fixed;
  auto own = std::make_shared<Cluster>();
  own->name = "fixed";
  own->discovery = Cluster::Discovery::Static;
  fixed.clusters["fixed"] = own;
  bed.set.set_static(fixed);
  bed.put(Type::Cluster, "fixed", cluster("fixed"));
  bed.set.keep_only(Type::Cluster, {});
  bed.set.settle(bed.now);
  CHECK(bed.set.config()->clusters.at("fixed") == own);

  // Also one that the file has only when it is read again.
  bed.put(Type::Cluster, "late", cluster("late"));
  auto again = fixed;
  auto late = std::make_shared<Cluster>(*own);
  late->name = "late";
  again.clusters["late"] = late;
  CHECK(bed.set.set_static(again).clusters.size() == 1);
  bed.set.settle(bed.now + seconds(60));
  CHECK(bed.set.config()->clusters.at("late") == late);

  bed.put(Type::Cluster, "a", cluster("a"));
  bed.put(Type::Endpoint, "a", endpoints("a", 80));
  bed.set.settle(bed.now);
  const auto before = bed.set.config();
  CHECK_FALSE(bed.set.set(Type::Cluster, "a", "2", cluster("other")));
  CHECK_FALSE(bed.set.set(Type::Cluster, "a", "2", "\xff\xff"));
  CHECK_FALSE(bed.set.set(Type::Endpoint, "a", "2", endpoints("b", 80)));
  v3::cluster::v3::Cluster bad;
  REQUIRE(bad.ParseFromString(cluster("a")));
  bad.mutable_lrs_server()->mutable_self();
  const auto refused = bed.set.set(Type::Cluster, "a", "2", bad.SerializeAsString());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text == "lrs_server: is not supported");
  bed.set.settle(bed.now);
  CHECK(bed.set.config() == before);
}

TEST_CASE("a cluster is used when its secrets have come, or their time is over") {
  Bed bed;
  bed.put(Type::Cluster, "a", secured("a"));
  REQUIRE(bed.set.secret_sources().contains("roots"));
  bed.set.settle(bed.now);
  CHECK_FALSE(bed.has_cluster("a"));
  CHECK(bed.set.next() == bed.now + seconds(2));  // its source's own time
  SECTION("they come, and change, and are taken back") {
    bed.put(Type::Secret, "roots", bundle("roots"));
    CHECK(bed.set.settle(bed.now));
    CHECK(bed.set.config()->secrets.at("roots")->trusted_ca.text == "pem");
    bed.put(Type::Secret, "roots", bundle("roots", "other"));
    CHECK(bed.set.settle(bed.now));
    bed.set.remove(Type::Secret, "roots");
    CHECK_FALSE(bed.set.settle(bed.now));
    CHECK(bed.set.config()->secrets.at("roots")->trusted_ca.text == "other");
    CHECK(bed.set.resources().size() == 2);
  }
  SECTION("nothing comes") {
    bed.set.remove(Type::Secret, "roots");  // that there is none is no answer
    CHECK_FALSE(bed.set.settle(bed.now + seconds(1)));
    CHECK(bed.set.settle(bed.now + seconds(2)));
    CHECK(bed.set.given_up(Type::Secret, "roots"));
  }
  CHECK(bed.has_cluster("a"));
  bed.set.remove(Type::Cluster, "a");
  bed.set.settle(bed.now);
  bed.set.settle(bed.now);
  CHECK(bed.set.secret_sources().empty());
  CHECK(bed.set.config()->secrets.empty());  // nobody names it any more
}

TEST_CASE("a secret goes by the name that its server gives it") {
  Bed bed;
  CHECK_FALSE(bed.set.set(Type::Secret, "roots", "1", bundle("others")));
  CHECK_FALSE(bed.set.set(Type::Secret, "roots", "1", "\xff"));
  // Of a server: a static cluster that speaks HTTP/2.
  const auto refused = bed.set.set(Type::Cluster, "a", "1", secured("a", "nobody"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("no cluster \"nobody\"") != std::string::npos);
  Config fixed;
  auto server = std::make_shared<Cluster>();
  server->name = "agent";
  server->protocol = UpstreamProtocol::Http2;
  server->discovery = Cluster::Discovery::Static;
  fixed.clusters["agent"] = server;
  bed.set.set_static(fixed);
  bed.put(Type::Cluster, "a", secured("a", "agent"));
  const auto sources = bed.set.secret_sources();
  REQUIRE(sources.contains("sds:agent/roots"));
  const SecretSource& source = sources.at("sds:agent/roots");
  CHECK(source.name == "roots");
  REQUIRE(bed.set.set_secret(source, "1", bundle("roots")));
  CHECK(bed.set.settle(bed.now));
  CHECK(bed.set.config()->secrets.contains("sds:agent/roots"));
}

}  // namespace
}  // namespace mesh::xds

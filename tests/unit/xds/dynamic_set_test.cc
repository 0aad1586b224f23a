#include "xds/dynamic_set.h"

#include <catch2/catch.hpp>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

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

}  // namespace
}  // namespace mesh::xds

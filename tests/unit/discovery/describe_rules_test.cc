// What `mesh describe` says of the rules of a service: which bear on it, and for whom.
#include "discovery/describe.h"

#include "unit/discovery/sample.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;
using Lines = std::vector<std::string>;

std::string object(const std::string& kind, const std::string& name, const std::string& spec) {
  return "\n---\napiVersion: networking.istio.io/v1\nkind: " + kind + "\nmetadata: {name: " + name +
         ", namespace: demo}\nspec: " + spec + "\n";
}

// "ORIGIN: EFFECT" of each.
Lines lines(const google::protobuf::RepeatedPtrField<discoveryd::v1::Applied>& all) {
  Lines result;
  for (const auto& one : all) result.push_back(one.origin() + ": " + one.effect());
  return result;
}

discoveryd::v1::DescribeReply of_service(const std::string& host, const std::string& more) {
  discoveryd::v1::DescribeRequest request;
  request.set_service(host);
  auto reply = describe(*sample::model(sample::kServices + sample::kWorkloads + more), request);
  if (!reply) FAIL(reply.error().text);
  return *std::move(reply);
}

}  // namespace

TEST_CASE("describe: policies of a service, those for some callers by their labels",
          "[discovery]") {
  const auto policies = [](const std::string& more) {
    return lines(of_service("reviews", more).policies());
  };
  CHECK(policies("") == Lines{});
  CHECK(policies(object("DestinationRule", "reviews",
                        "{host: reviews, trafficPolicy: {loadBalancer: {simple: RANDOM}, tls: "
                        "{mode: DISABLE}}, subsets: [{name: all}, {name: v2, labels: {version: v2, "
                        "app: reviews}, trafficPolicy: {outlierDetection: {}}}]}")) ==
        Lines{"DestinationRule/demo/reviews: load balancing, TLS DISABLE",
              "DestinationRule/demo/reviews subsets[0]: subset all: all instances",
              "DestinationRule/demo/reviews subsets[1]: subset v2: app=reviews,version=v2; outlier "
              "detection"});
  const std::string for_web =
      object("DestinationRule", "for-web",
             "{host: reviews, workloadSelector: {matchLabels: {version: v1, app: web}}, "
             "trafficPolicy: {connectionPool: {tcp: {maxConnections: 5}}}, subsets: [{name: v1, "
             "labels: {version: v1}}]}");
  // It is nobody's but theirs: the one for all callers is said beside it.
  CHECK(policies(for_web) ==
        Lines{"DestinationRule/demo/for-web: callers app=web,version=v1 of demo: connection pool",
              "DestinationRule/demo/for-web subsets[0]: callers app=web,version=v1 of demo: subset "
              "v1: version=v1"});
  CHECK(policies(for_web + object("DestinationRule", "reviews", "{host: reviews}")) ==
        Lines{"DestinationRule/demo/reviews: no policy of its own",
              "DestinationRule/demo/for-web: callers app=web,version=v1 of demo: connection pool",
              "DestinationRule/demo/for-web subsets[0]: callers app=web,version=v1 of demo: subset "
              "v1: version=v1"});
  CHECK(lines(of_service("web", for_web).policies()) == Lines{});
}

TEST_CASE("describe: a tunnel is said where its rule or subset is, and the routes to it",
          "[discovery]") {
  const auto reply = of_service(
      "web", object("DestinationRule", "web",
                    "{host: web, trafficPolicy: {tunnel: {protocol: CONNECT, targetHost: "
                    "db.example, targetPort: 5432}}, subsets: [{name: other, trafficPolicy: "
                    "{tunnel: {targetHost: other.example, targetPort: 443}}}]}") +
                 object("VirtualService", "web",
                        "{hosts: [web], tls: [{match: [{sniHosts: [web]}], route: [{destination: "
                        "{host: web, subset: other}}]}], tcp: [{route: [{destination: {host: web, "
                        "subset: other}}]}]}"));
  CHECK(lines(reply.policies()) ==
        Lines{"DestinationRule/demo/web: through a proxy to db.example:5432",
              "DestinationRule/demo/web subsets[0]: subset other: all instances; through a proxy "
              "to other.example:443"});
  CHECK(lines(reply.routing()) == Lines{"VirtualService/demo/web tls[0]: TLS -> web/other",
                                        "VirtualService/demo/web tcp[0]: TCP -> web/other"});
}

TEST_CASE("describe: VirtualServices, those that are not for callers of the service's namespace",
          "[discovery]") {
  const auto routing = [](const std::string& more) {
    return lines(of_service("web", more).routing());
  };
  const auto of = [](const std::string& ns, const std::string& more) {
    return "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v, "
           "namespace: " +
           ns + "}\nspec: {hosts: [web], http: [{match: [{" + more +
           "}], route: [{destination: {host: web}}]}]";
  };
  const std::string other = of("far", "sourceNamespace: far");
  const std::string passed = "VirtualService/far/v: not for callers of namespace demo: ";
  CHECK(routing(other + "}\n") == Lines{"VirtualService/far/v http[0]: from namespace far -> web"});
  CHECK(routing(other + ", exportTo: [\".\"]}\n") == Lines{passed + "not exported to them"});
  CHECK(routing(other + "}\n" + object("Sidecar", "own", "{egress: [{hosts: [\"demo/*\"]}]}")) ==
        Lines{passed + "outside of their Sidecar's egress"});
  CHECK(
      routing(of("demo", "gateways: [mesh, istio-system/gw], port: 80") + "}\n" + other + "}\n") ==
      Lines{"VirtualService/demo/v http[0]: port 80 and at mesh or istio-system/gw -> web",
            passed + "another one comes first"});
}

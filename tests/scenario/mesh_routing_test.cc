// Routing of the mesh from its YAML to the wire: delegates, paths as they are matched,
// mirrors, faults. mesh-routing(7).
#include <catch2/catch.hpp>

#include "scenario/mesh.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

using Answers = std::map<std::string, int>;

const std::string kWeb = instance("web", "web-1", 9);

std::string routes(const std::string& http) {
  return object("VirtualService", "reviews", "{hosts: [reviews], http: [" + http + "]}");
}

// Answers with its name and the fields that routes set.
void echo(Origin& origin) {
  origin.handle([&origin](const Message& request, Wire& wire) {
    return wire.send(support::response(
        200, origin.name() + " " + request.field("x-root") + " " + request.field("x-team")));
  });
}

}  // namespace

TEST_CASE("mesh: a VirtualService delegates to those of the teams", "[forwarder]") {
  const uint32_t count = workers();
  Origin v1("v1"), v2("v2");
  for (Origin* origin : {&v1, &v2}) echo(*origin);
  const std::string services =
      kWeb + service("reviews") + instance("reviews", "reviews-1", v1.port(), ", version: v1") +
      instance("reviews", "reviews-2", v2.port(), ", version: v2") +
      object("DestinationRule", "reviews",
             "{host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: "
             "{version: v2}}]}");
  const std::string root = routes(
      "{match: [{uri: {prefix: /team}}], delegate: {name: team}, headers: {request: {set: "
      "{x-root: root}}}}, {route: [{destination: {host: reviews, subset: v1}}]}");
  const auto team = [](const std::string& subset) {
    return object(
        "VirtualService", "team",
        "{http: [{match: [{uri: {prefix: /team/new}}], headers: {request: {set: "
        "{x-team: own}}}, route: [{destination: {host: reviews, subset: " +
            subset +
            "}}]}, {match: [{uri: {prefix: /elsewhere}}], directResponse: {status: 418}}, "
            "{match: [{uri: {prefix: /team}}], route: [{destination: {host: reviews, "
            "subset: v1}}]}]}");
  };
  Mesh mesh(services + root + team("v2"));
  Proxy& web = mesh.start("web-1", count);
  const auto at = [&](const std::string& path) {
    return support::get(web.port("outbound"), path, "reviews").body;
  };
  CHECK(at("/team/new/x") == "v2  own");
  CHECK(at("/team/old") == "v1 root ");
  CHECK(at("/elsewhere") == "v1  ");  // no delegate's route reaches beyond its root's match
  // The team changes its own object alone.
  mesh.apply(services + root + team("v1"));
  CHECK(at("/team/new/x") == "v1  own");
}

TEST_CASE("mesh: paths are normalised before they are matched, as MeshConfig says", "[forwarder]") {
  Origin reviews("reviews");
  struct Row {
    const char* normalization;
    const char* path;
    const char* matched;  // the route, or a status
  };
  const Row rows[] = {
      {"DEFAULT", "/x/../admin", "admin"},
      {"DEFAULT", "/x/%2e%2E/admin", "admin"},
      {"DEFAULT", "/%61dmin", "admin"},
      {"DEFAULT", "/x\\..\\admin", "admin"},
      {"DEFAULT", "//admin", "rest"},
      {"DEFAULT", "/x/..%2fadmin", "rest"},
      {"NONE", "/x/../admin", "rest"},
      {"BASE", "/./admin", "admin"},
      {"MERGE_SLASHES", "//admin", "admin"},
      {"MERGE_SLASHES", "///x/..//admin", "admin"},
      {"MERGE_SLASHES", "/x/..%2fadmin", "rest"},
      {"DECODE_AND_MERGE_SLASHES", "/x/..%2Fadmin", "admin"},
      {"DECODE_AND_MERGE_SLASHES", "/x%5c..%5Cadmin", "admin"},
      {"DECODE_AND_MERGE_SLASHES", "/%2f/admin", "admin"},
  };
  const std::string services =
      kWeb + service("reviews") + instance("reviews", "reviews-1", reviews.port()) +
      routes(
          "{match: [{uri: {prefix: /admin}}], directResponse: {status: 200, body: {string: "
          "admin}}}, {directResponse: {status: 200, body: {string: rest}}}");
  const auto with = [&](const std::string& normalization) {
    return services + object("MeshConfig", "mesh",
                             "{pathNormalization: {normalization: " + normalization + "}}");
  };
  Mesh mesh(services);
  Proxy& web = mesh.start("web-1");
  std::string in_force;
  for (const Row& row : rows) {
    CAPTURE(row.normalization, row.path);
    if (std::exchange(in_force, row.normalization) != row.normalization)
      mesh.apply(with(row.normalization));
    CHECK(answers(web.port("outbound"), "reviews", 1, row.path) == Answers{{row.matched, 1}});
  }
}

TEST_CASE("mesh: mirrors take their percentage, and others none", "[forwarder]") {
  const uint32_t count = workers();
  Origin reviews("reviews"), quarter("quarter"), all("all"), none("none");
  Mesh mesh(
      kWeb + service("reviews") + instance("reviews", "reviews-1", reviews.port()) +
      service("quarter") + instance("quarter", "quarter-1", quarter.port()) + service("all") +
      instance("all", "all-1", all.port()) + service("none") +
      instance("none", "none-1", none.port()) +
      routes("{route: [{destination: {host: reviews}}], mirrors: [{destination: {host: quarter}, "
             "percentage: {value: 25}}, {destination: {host: all}}, {destination: {host: none}, "
             "percentage: {value: 0}}]}"));
  Proxy& web = mesh.start("web-1", count);
  CHECK(answers(web.port("outbound"), "reviews", 200) == Answers{{"reviews", 200}});
  CHECK(support::wait_for([&] { return all.requests() == 200; }));
  CHECK(quarter.requests() > 20);
  CHECK(quarter.requests() < 85);
  CHECK(none.requests() == 0);
}

TEST_CASE("mesh: an abort with a gRPC status answers gRPC, and its retries see it", "[forwarder]") {
  Origin reviews("reviews");
  Mesh mesh(kWeb + service("reviews") + instance("reviews", "reviews-1", reviews.port()) +
            routes("{match: [{headers: {x-user: {exact: jason}}}], fault: {abort: {grpcStatus: "
                   "UNAVAILABLE, percentage: {value: 100}}}, route: [{destination: {host: "
                   "reviews}}]}, {fault: {abort: {httpStatus: 503, percentage: {value: 50}}}, "
                   "retries: {attempts: 20, retryOn: 5xx, backoff: 1ms}, route: [{destination: "
                   "{host: reviews}}]}"));
  Proxy& web = mesh.start("web-1");
  const std::string grpc = "content-type: application/grpc\r\nte: trailers\r\n";
  const Message aborted =
      support::get(web.port("outbound"), "/a.B/C", "reviews", grpc + "x-user: jason\r\n");
  CHECK(aborted.status == 200);
  CHECK(aborted.field("grpc-status") == "14");
  CHECK(aborted.field("grpc-message") == "fault filter abort");
  CHECK(reviews.requests() == 0);
  // Half of the tries fail, and no request.
  CHECK(answers(web.port("outbound"), "reviews", 40) == Answers{{"reviews", 40}});
  uint64_t retries = 0;
  web.run([&](forward::Forwarder& f) {
    retries = f.snapshot()
                  ->clusters.at("outbound|80||reviews")
                  ->shared->stats.sum(upstream::ClusterCount::RqRetry);
  });
  CHECK(retries > 5);
}

TEST_CASE("mesh: who is in none of a VirtualService's routes calls the service itself",
          "[forwarder]") {
  Origin reviews("reviews");
  const std::string services =
      kWeb + service("reviews") + instance("reviews", "reviews-1", reviews.port());
  const auto fault = [](const std::string& match, const std::string& share) {
    return routes("{match: [{" + match + "}], fault: {abort: {httpStatus: 555" + share +
                  "}}, route: [{destination: {host: reviews}}]}");
  };
  const std::string always = ", percentage: {value: 100}";
  struct Row {
    std::string routes;
    const char* answer;
  };
  const Row rows[] = {
      {fault("sourceLabels: {app: client}", always), "reviews"},
      {fault("sourceLabels: {app: web}", always), "555"},
      {fault("sourceLabels: {app: web}", ""), "reviews"},  // of none where no share is said
      {fault("port: 81", always), "reviews"},
      {fault("uri: {prefix: /other}", always), "404"},
  };
  Mesh mesh(services);
  Proxy& web = mesh.start("web-1");
  for (const Row& row : rows) {
    CAPTURE(row.routes);
    mesh.apply(services + row.routes);
    CHECK(answers(web.port("outbound"), "reviews", 3) == Answers{{row.answer, 3}});
  }
}

TEST_CASE("mesh: a VirtualService answers for hosts that no service has, by wildcards too",
          "[forwarder]") {
  Mesh mesh(kWeb + object("VirtualService", "moved",
                          "{hosts: [\"*.legacy.example.org\", one.bare.example.org], http: "
                          "[{directResponse: {status: 200, body: {string: moved}}}]}"));
  Proxy& web = mesh.start("web-1");
  for (const char* const host : {"one.bare.example.org", "x.legacy.example.org"}) {
    CAPTURE(host);
    CHECK(answers(web.port("outbound"), host, 1) == Answers{{"moved", 1}});
  }
  CHECK(answers(web.port("outbound"), "legacy.example.org", 1) == Answers{{"404", 1}});
}

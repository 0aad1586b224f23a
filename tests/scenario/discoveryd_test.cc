// discoveryd with configd and a watching forwarder, on the real bus: what is
// pushed when, and what becomes of a refusal.

#include <csignal>

#include <catch2/catch.hpp>
#include <set>

#include "base/file.h"
#include "bus/client.h"
#include "event/loop.h"
#include "mesh/discoveryd.pb.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/wait.h"
#include "xds/decode.h"
#include "xds/node.h"

namespace {

using namespace mesh;
namespace msg = mesh::discoveryd::v1;

const std::string kObjects = R"(
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: demo}
spec:
  hosts: [reviews]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: reviews}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v1, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: 20011}, labels: {app: reviews}, serviceAccount: reviews}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: reviews-v1, namespace: demo}
spec:
  workloadSelector: {labels: {app: reviews}}
  ingress: [{port: {number: 20011, protocol: HTTP, name: http}, defaultEndpoint: 127.0.0.1:20111}]
)";

// One type's end of a forwarder.
struct Sink final : bus::Sink {
  std::map<std::string, std::string> held;
  std::vector<std::string> heard;  // names, as they changed
  std::string generation;
  std::string refuse;  // the name that cannot be used

  Result<void> on_update(const bus::Update& update,
                         std::vector<bus::Rejection>& rejected) override {
    for (const auto& resource : update.changed) {
      heard.emplace_back(resource.name);
      if (resource.name == refuse)
        rejected.push_back({refuse, "no such field here"});
      else
        held[std::string(resource.name)] = resource.body;
    }
    for (const auto name : update.removed) held.erase(std::string(name));
    if (!update.generation.empty()) generation = update.generation;
    return {};
  }
};

struct Forwarder {
  Forwarder(event::Loop& loop, const std::string& socket, const std::string& workload)
      : client(loop, socket) {
    bus::Node node{.id = workload + "@test",
                   .workload = workload,
                   .workload_namespace = "demo",
                   .labels = {{"app", "reviews"}},
                   .metadata = {{std::string(xds::node::kOutbound), "127.0.0.1:20200"},
                                {std::string(xds::node::kServiceAccount), "reviews"}}};
    if (workload == "reviews-v2") {
      node.metadata[std::string(xds::node::kAddress)] = "127.0.0.1";
      node.metadata[std::string(xds::node::kPorts)] = "http=20012";
    }
    size_t i = 0;
    for (const auto type :
         {xds::kClusterType, xds::kEndpointType, xds::kListenerType, xds::kRouteType}) {
      watches.push_back(client.watch(std::string(type), node, sinks[i++]));
    }
  }
  bool complete() const {
    return std::all_of(std::begin(sinks), std::end(sinks), [&](const Sink& sink) {
      return !sink.generation.empty() && sink.generation == sinks[0].generation;
    });
  }

  Sink sinks[4];
  bus::Client client;
  std::vector<std::unique_ptr<bus::Watch>> watches;
};

struct Mesh {
  Mesh() {
    dir.write("etc/config/reviews.yaml", kObjects);
    dir.write("etc/discoveryd.yaml", "absence_grace: 200ms\n");
    configd.emplace(command("configd"));
    discoveryd.emplace(command("discoveryd"));
  }
  std::vector<std::string> command(const std::string& name) const {
    return {support::program(name), "--run-dir",       dir.file("run"),
            "--state-dir",          dir.file("state"), "--config-dir",
            dir.file("etc"),        "--user",          "root"};
  }
  template <class Rep, class Req>
  std::optional<Rep> ask(bus::Client& client, const Req& request) {
    std::optional<Rep> answer;
    client.call<Rep>(request, std::chrono::seconds(10),
                     [&](Result<Rep> reply) { answer = reply ? *std::move(reply) : Rep(); });
    support::run_until(loop, [&] { return answer.has_value(); });
    return answer;
  }

  support::TempDir dir;
  event::Loop loop;
  std::optional<support::Process> configd;
  std::optional<support::Process> discoveryd;
};

std::vector<std::string> endpoints_of(const Sink& sink) {
  std::vector<std::string> result;
  const auto found = sink.held.find("outbound|80||reviews");
  if (found == sink.held.end()) return result;
  const auto assignment = xds::decode_endpoints(found->second);
  REQUIRE(assignment);
  for (const auto& endpoint : (*assignment)->endpoints)
    result.push_back(xds::to_string(endpoint.address));
  return result;
}

TEST_CASE("discoveryd: an instance more is one assignment more, an instance gone is withdrawn") {
  Mesh mesh;
  Forwarder first(mesh.loop, mesh.dir.file("run/discoveryd.sock"), "reviews-v1");
  const bool complete = support::run_until(mesh.loop, [&] { return first.complete(); });
  INFO(mesh.discoveryd->err() << mesh.configd->err());
  REQUIRE(complete);
  CHECK(first.sinks[0].held.contains("outbound|80||reviews"));
  CHECK(first.sinks[0].held.contains("inbound|20011||"));
  CHECK(first.sinks[2].held.contains("inbound|127.0.0.1|20011"));
  CHECK(first.sinks[3].held.contains("outbound"));
  CHECK(endpoints_of(first.sinks[1]) == std::vector<std::string>{"127.0.0.1:20011"});

  for (auto& sink : first.sinks) sink.heard.clear();
  auto second =
      std::make_unique<Forwarder>(mesh.loop, mesh.dir.file("run/discoveryd.sock"), "reviews-v2");
  REQUIRE(support::run_until(mesh.loop, [&] { return endpoints_of(first.sinks[1]).size() == 2; }));
  REQUIRE(support::run_until(mesh.loop, [&] { return second->complete(); }));
  CHECK(first.sinks[1].heard == std::vector<std::string>{"outbound|80||reviews"});
  for (const size_t other : {0U, 2U, 3U}) CHECK(first.sinks[other].heard.empty());

  second.reset();
  REQUIRE(support::run_until(mesh.loop, [&] { return endpoints_of(first.sinks[1]).size() == 1; }));
}

TEST_CASE("discoveryd: what a forwarder refuses and what it has in force is told") {
  Mesh mesh;
  Forwarder forwarder(mesh.loop, mesh.dir.file("run/discoveryd.sock"), "reviews-v1");
  forwarder.sinks[0].refuse = "inbound|20011||";
  REQUIRE(support::run_until(mesh.loop, [&] { return forwarder.complete(); }));
  for (const auto& watch : forwarder.watches) watch->in_force(forwarder.sinks[0].generation);
  std::optional<msg::StatusReply> status;
  REQUIRE(support::run_until(mesh.loop, [&] {
    status = mesh.ask<msg::StatusReply>(forwarder.client, msg::StatusRequest());
    return status && status->forwarders_size() == 1 &&
           status->forwarders(0).rejections_size() == 1 &&
           !status->forwarders(0).generation_in_force().empty();
  }));
  const auto& told = status->forwarders(0);
  CHECK(told.node() == "reviews-v1@test");
  CHECK(told.generation_in_force() == status->generation());
  CHECK(told.rejections(0).name() == "inbound|20011||");
  CHECK(told.rejections(0).reason() == "no such field here");
}

// A forwarder that died, as whoever waits for all forwarders must see it: also
// when discoveryd has not seen it in this life.
TEST_CASE("discoveryd: a forwarder that went is expected back, across a restart") {
  Mesh mesh;
  auto forwarder =
      std::make_unique<Forwarder>(mesh.loop, mesh.dir.file("run/discoveryd.sock"), "reviews-v1");
  REQUIRE(support::run_until(mesh.loop, [&] { return forwarder->complete(); }));
  const std::string saved = mesh.dir.file("state/discoveryd/forwarders");
  REQUIRE(support::wait_for([&] {
    const auto bytes = file::read(saved, 10000);
    return bytes && bytes->find("reviews-v1@test") != std::string::npos;
  }));
  mesh.discoveryd->signal(SIGKILL);
  mesh.discoveryd.emplace(mesh.command("discoveryd"));
  forwarder.reset();
  bus::Client client(mesh.loop, mesh.dir.file("run/discoveryd.sock"));
  msg::StatusRequest request;
  request.add_workloads("reviews-v1");
  request.add_workloads("reviews-v9");
  std::optional<msg::StatusReply> status;
  REQUIRE(support::run_until(mesh.loop, [&] {
    status = mesh.ask<msg::StatusReply>(client, request);
    return status && status->forwarders_size() == 1;
  }));
  CHECK(status->forwarders(0).node() == "reviews-v1@test");
  CHECK(status->forwarders(0).away());
  CHECK(status->forwarders(0).generation_in_force().empty());
  REQUIRE(support::run_until(mesh.loop, [&] {
    status = mesh.ask<msg::StatusReply>(client, request);
    return status && status->configured_size() == 1;
  }));
  CHECK(status->configured(0) == "reviews-v1");
}

}  // namespace

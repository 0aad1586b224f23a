// What policies of our own kinds ask of the other objects.
#include <catch2/catch.hpp>

#include "config/object_set.h"

using namespace mesh;

namespace {

config::SetProblems problems_of(const std::string& objects) {
  config::Problems problems("f.yaml");
  std::vector<config::v1::Object> read;
  config::read_objects(
      "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s}\nspec: {hosts: "
      "[s, t], resolution: STATIC, location: MESH_INTERNAL, ports: [{number: 80, name: http, "
      "protocol: HTTP}]}\n" +
          objects,
      problems, read);
  for (const auto& line : problems.lines()) FAIL(line);
  config::ObjectSet set;
  for (auto& object : read) set.put(std::move(object));
  auto said = config::check_set(set);
  // Behind the place and the object's name.
  for (auto* const lines : {&said.errors, &said.warnings})
    for (std::string& line : *lines) {
      CHECK(line.starts_with("f.yaml:"));
      line.erase(0, line.find("default/x: ") + 11);
    }
  return said;
}

std::string object(const std::string& kind, const std::string& spec) {
  const bool ours = kind == "CircuitBreaker" || kind == "ServicePolicy";
  return std::string("---\napiVersion: ") + (ours ? "mesh/v1" : "networking.istio.io/v1") +
         "\nkind: " + kind + "\nmetadata: {name: x}\nspec: {" + spec + "}\n";
}

std::string breaker(const std::string& destination) {
  return object("CircuitBreaker",
                "host: s, thresholds: {errorPercent: 50}, fallback: "
                "{destination: {" +
                    destination + "}}");
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("object set: a CircuitBreaker's fallback is a subset that there is", "[config]") {
  const std::string rule = object("DestinationRule", "host: t, subsets: [{name: v1}]");
  CHECK(problems_of(rule + breaker("host: t, subset: v1")).errors.empty());
  CHECK(problems_of(rule + breaker("host: t, subset: v2")).errors ==
        Lines{"spec.fallback.destination.subset: no "
              "DestinationRule for t has the subset v2"});
  CHECK(problems_of(breaker("host: nobody")).warnings == Lines{"spec.fallback.destination.host: no "
                                                               "ServiceEntry has the host nobody"});
}

TEST_CASE("object set: outlierReturn without outlierDetection is warned of", "[config]") {
  const std::string policy = object("ServicePolicy", "host: s, outlierReturn: {probePercent: 5}");
  const auto rule = [](const std::string& spec) { return object("DestinationRule", spec); };
  const std::string ejects = "outlierDetection: {consecutive5xxErrors: 3}";
  const Lines warning = {
      "spec.outlierReturn: has no effect: no "
      "DestinationRule for s has outlierDetection"};
  CHECK(problems_of(policy).warnings == warning);
  CHECK(problems_of(policy + rule("host: s, trafficPolicy: {loadBalancer: {simple: RANDOM}}"))
            .warnings == warning);
  CHECK(problems_of(policy + rule("host: t, trafficPolicy: {" + ejects + "}")).warnings == warning);
  for (const std::string& spec :
       {"host: s, trafficPolicy: {" + ejects + "}",
        "host: s, trafficPolicy: {portLevelSettings: [{port: {number: 80}, " + ejects + "}]}",
        "host: s, subsets: [{name: v1, trafficPolicy: {" + ejects + "}}]"}) {
    CAPTURE(spec);
    CHECK(problems_of(policy + rule(spec)).warnings.empty());
  }
}

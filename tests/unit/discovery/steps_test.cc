// One generation after the other, and what of them is on disk: discoveryd(8), "FILES".
#include <catch2/catch.hpp>
#include <filesystem>

#include "base/file.h"
#include "base/random.h"
#include "discovery/object_journal.h"
#include "sample.h"
#include "support/temp_dir.h"

using namespace mesh;
using namespace mesh::discovery;

namespace {

template <class Spec>
std::string text_of(const List<Spec>& list) {
  std::string text;
  for (const auto& object : list) {
    text += object.ns + "/" + object.name + " " + object.spec.ShortDebugString() + "\n";
    for (const auto& origin : object.origins) text += "  " + origin.rule + "\n";
  }
  return text;
}

std::string text_of(const List<discovery::istio::WorkloadEntry>& list) {
  std::string text;
  for (const auto& entry : list) {
    text += entry.ns + "/" + entry.name + " " + entry.address + " " + entry.service_account;
    for (const auto& [key, value] : entry.labels) text += " " + key + "=" + value;
    for (const auto& [name, port] : entry.ports) text += " " + name + ":" + std::to_string(port);
    text += "\n";
  }
  return text;
}

std::string text_of(const Objects& objects) {
  return text_of(objects.service_entries) + text_of(objects.workload_entries) +
         text_of(objects.virtual_services) + text_of(objects.destination_rules) +
         text_of(objects.gateways) + text_of(objects.sidecars);
}

const std::string kDelegates = R"(
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: demo}
spec: {hosts: [web], http: [{match: [{uri: {prefix: /a}}], delegate: {name: leaf}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: leaf, namespace: demo}
spec: {http: [{route: [{destination: {host: web}}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route, namespace: demo}
spec:
  parentRefs: [{kind: Service, group: "", name: web}]
  rules: [{backendRefs: [{name: reviews, port: 80}]}]
)";

using Journal = ObjectJournal;

std::pair<Journal::Map, Journal::Map> maps(const Journal::Record& record) {
  return {{record.bodies().begin(), record.bodies().end()},
          {record.versions().begin(), record.versions().end()}};
}

}  // namespace

TEST_CASE("objects: read generation after generation, they are as read at once", "[discovery]") {
  const auto all = sample::bodies(sample::kAll + kDelegates);
  std::vector<std::string> names;
  for (const auto& [name, body] : all) names.push_back(name);
  Random random(5);
  ObjectReader reader;
  Objects::Bodies bodies;
  for (int round = 0; round < 300; ++round) {
    ObjectReader::Names changed;
    for (uint64_t n = random.below(3) + 1; n-- > 0;) {
      const std::string& name = names[random.below(names.size())];
      changed.insert(name);
      if (bodies.erase(name) == 0) bodies[name] = random.below(20) == 0 ? "\xff" : all.at(name);
    }
    std::vector<std::string> problems, problems_at_once;
    const Objects now = reader.read("g", bodies, changed, problems);
    const Objects at_once = Objects::parse("g", bodies, problems_at_once);
    INFO(round);
    REQUIRE(text_of(now) == text_of(at_once));
    REQUIRE(problems == problems_at_once);
    for (const auto& [name, body] : bodies)
      REQUIRE(now.places->place(name) == at_once.places->place(name));
    for (const std::string& name : changed)
      if (!bodies.contains(name)) CHECK(now.places->place(name).empty());
  }
}

TEST_CASE("objects: what did not change is shared", "[discovery]") {
  const auto bodies = sample::bodies(sample::kAll);
  ObjectReader reader;
  ObjectReader::Names names;
  for (const auto& [name, body] : bodies) names.insert(name);
  std::vector<std::string> problems;
  const Objects first = reader.read("a", bodies, names, problems);
  const Objects second = reader.read("b", bodies, {}, problems);
  REQUIRE(!first.service_entries.empty());
  CHECK(&first.service_entries[0] == &second.service_entries[0]);
  CHECK(second.generation == "b");
}

TEST_CASE("journal: what was kept last is there, however it was cut off", "[discovery]") {
  support::TempDir dir;
  const std::string path = dir.file("objects");
  CHECK(Journal(path).load().error().kind == Errc::NotFound);
  Random random(9);
  Journal::Map bodies, versions;
  Journal journal(path);
  std::vector<std::pair<size_t, std::string>> sizes;  // of the file, at a generation
  std::map<std::string, std::pair<Journal::Map, Journal::Map>> kept;
  for (int round = 0; round < 60; ++round) {
    Journal::Names changed;
    for (uint64_t n = random.below(4); n-- > 0;) {
      const std::string name = "WorkloadEntry/default/w" + std::to_string(random.below(12));
      changed.insert(name);
      if (bodies.erase(name) > 0) {
        versions.erase(name);
      } else {
        bodies[name] = std::string(random.below(300), 'x');
        versions[name] = std::to_string(round);
      }
    }
    const std::string generation = "g" + std::to_string(round);
    REQUIRE(journal.save(generation, bodies, versions, changed));
    kept[generation] = {bodies, versions};
    sizes.emplace_back(std::filesystem::file_size(path), generation);
    const auto now = Journal(path).load();
    REQUIRE(now);
    CHECK(now->generation() == generation);
    CHECK(maps(*now) == kept[generation]);
  }
  // A crash in the middle of the last.
  const std::string whole = *file::read(path, 1U << 30);
  for (const size_t cut : {whole.size() - 1, sizes[40].first + 7, sizes[0].first}) {
    dir.write("cut", whole.substr(0, cut));
    std::string last;
    for (const auto& [size, generation] : sizes)
      if (size <= cut) last = generation;
    Journal again(dir.file("cut"));
    const auto now = again.load();
    REQUIRE(now);
    CHECK(now->generation() == last);
    CHECK(maps(*now) == kept[last]);
    // It goes on behind what is whole.
    REQUIRE(again.save("next", bodies, versions, {}));
    CHECK(Journal(dir.file("cut")).load()->generation() == "next");
  }
  dir.write("cut", whole.substr(0, sizes[0].first - 1));
  CHECK(Journal(dir.file("cut")).load().error().kind == Errc::Invalid);
}

TEST_CASE("journal: it is written anew before it outgrows what it holds", "[discovery]") {
  support::TempDir dir;
  Journal journal(dir.file("objects"));
  Journal::Map bodies{{"WorkloadEntry/default/w", ""}}, versions{{"WorkloadEntry/default/w", ""}};
  size_t largest = 0;
  for (int round = 0; round < 60; ++round) {
    bodies.begin()->second = std::string(100'000, char('a' + round % 20));
    REQUIRE(journal.save(std::to_string(round), bodies, versions, {"WorkloadEntry/default/w"}));
    largest = std::max(largest, size_t(std::filesystem::file_size(dir.file("objects"))));
  }
  CHECK(largest < 2'000'000);
  CHECK(Journal(dir.file("objects")).load()->bodies().begin()->second == bodies.begin()->second);
}

// One configuration after the other: what is kept from the one before gives what reading,
// checking and adding up all anew would give.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "base/random.h"
#include "config/directory.h"
#include "config/object_set.h"
#include "support/temp_dir.h"

using namespace mesh;

namespace {

using config::ObjectSet;
using Texts = std::map<std::string, config::Text>;

config::Text text_of(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

std::string entry(const std::string& name, const std::string& spec = "address: 10.0.0.1") {
  return "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: " + name +
         "}\nspec: {" + spec + "}\n";
}

std::string object(const std::string& kind, const std::string& name, const std::string& spec) {
  std::string group = "networking.istio.io";
  if (kind == "HTTPRoute") group = "gateway.networking.k8s.io";
  if (kind == "ServicePolicy") group = "mesh";
  if (kind == "PeerAuthentication" || kind == "AuthorizationPolicy") group = "security.istio.io";
  return "---\napiVersion: " + group + "/v1\nkind: " + kind + "\nmetadata: {name: " + name +
         ", namespace: default}\nspec: {" + spec + "}\n";
}

// Objects that speak of each other in every way that is checked.
std::vector<std::string> pool() {
  const std::string service =
      "resolution: STATIC, location: MESH_INTERNAL, ports: [{number: 80, "
      "name: http, protocol: HTTP}], workloadSelector: {labels: {app: ";
  const auto to = [](const std::string& host, const std::string& more = "") {
    return "{route: [{destination: {host: " + host + more + "}}]}";
  };
  return {
      object("ServiceEntry", "a", "hosts: [a], " + service + "a}}"),
      object("ServiceEntry", "a", "hosts: [a, b.default.svc.cluster.local], " + service + "a}}"),
      object("ServiceEntry", "b", "hosts: [b.default.svc.cluster.local], " + service + "b}}"),
      object("ServiceEntry", "c", "hosts: [a, c], " + service + "c}}"),
      entry("a-1", "address: 10.0.0.1, labels: {app: a, version: v1}"),
      entry("a-2", "address: 10.0.0.2, labels: {app: a}"),
      entry("b-1", "address: 10.0.0.3, labels: {app: b}"),
      object("WorkloadGroup", "c", "template: {labels: {app: c}}"),
      object("DestinationRule", "a", "host: a, subsets: [{name: v1, labels: {version: v1}}]"),
      object("DestinationRule", "x",
             "host: a, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}"),
      object("DestinationRule", "b",
             "host: \"*.svc.cluster.local\", subsets: [{name: v1, labels: "
             "{version: v1}}]"),
      object("ServicePolicy", "a", "host: a, outlierReturn: {probePercent: 5}"),
      object("ServicePolicy", "b", "host: b, subset: v1, outlierReturn: {probePercent: 5}"),
      object("ServicePolicy", "c", "host: a, outlierReturn: {probePercent: 6}"),
      object("VirtualService", "a", "hosts: [a], http: [" + to("a", ", subset: v1") + "]"),
      object("VirtualService", "a", "hosts: [a], http: [" + to("a", ", port: {number: 81}") + "]"),
      object("VirtualService", "b",
             "hosts: [a, \"*.out\"], http: [" + to("b", ", subset: v1") + "]"),
      object("VirtualService", "c", "http: [" + to("c") + ", " + to("a") + "]"),
      object("VirtualService", "d",
             "hosts: [d], gateways: [door], http: [{delegate: {name: c}}, {delegate: {name: a}}]"),
      object("VirtualService", "e",
             "hosts: [e.example], gateways: [door, other], http: [" + to("a") + "]"),
      object("Gateway", "door",
             "selector: {app: edge}, servers: [{port: {number: 80, name: http, protocol: HTTP}, "
             "hosts: [\"*.example\"]}]"),
      object("Gateway", "other",
             "selector: {app: edge}, servers: [{port: {number: 80, name: tcp, protocol: TCP}, "
             "hosts: [\"*\"]}]"),
      object("HTTPRoute", "r",
             "parentRefs: [{name: door}, {kind: Service, group: \"\", name: a, port: 80}], rules: "
             "[{backendRefs: [{name: b, port: 80}]}]"),
      object("PeerAuthentication", "p", "mtls: {mode: STRICT}"),
      object("PeerAuthentication", "q", "mtls: {mode: PERMISSIVE}"),
      object("AuthorizationPolicy", "z", "selector: {matchLabels: {app: b}}, rules: [{}]"),
      object(
          "AuthorizationPolicy", "y",
          "targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: b}], rules: [{}]"),
  };
}

ObjectSet set_of(const std::vector<std::string>& yaml) {
  std::string text;
  for (const std::string& one : yaml) text += one;
  config::Problems problems("f.yaml");
  std::vector<config::v1::Object> objects;
  config::read_objects(text, problems, objects);
  for (const auto& line : problems.lines()) FAIL(line);
  ObjectSet set;
  for (auto& one : objects) set.put(std::move(one));
  return set;
}

std::vector<std::pair<std::string, std::string>> listed(const ObjectSet& set) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, one] : set.objects())
    out.emplace_back(config::to_string(name), one.bytes_digest());
  return out;
}

std::map<std::string, std::string> contents(const Texts& texts) {
  std::map<std::string, std::string> out;
  for (const auto& [name, text] : texts) out[name] = *text;
  return out;
}

}  // namespace

TEST_CASE("object set: as a map, whichever way it came to be", "[config]") {
  Random random(1);
  ObjectSet set;
  std::map<config::Name, config::ObjectRef> model;
  const auto make = [](uint64_t number, uint64_t version) {
    config::v1::Object one;
    one.set_kind(number % 3 == 0 ? "Gateway" : "WorkloadEntry");
    one.set_namespace_("ns" + std::to_string(number % 2));
    one.set_name("n" + std::to_string(number));
    one.set_file("v" + std::to_string(version));
    return config::ObjectRef(std::move(one));
  };
  const ObjectSet empty;
  for (int round = 0; round < 4000; ++round) {
    const ObjectSet before = set;
    const auto model_before = model;
    const config::ObjectRef one = make(random.below(1500), random.next());
    const config::Name name = config::name_of(*one);
    if (random.below(3) == 0) {
      CHECK(set.remove(name) == (model.erase(name) > 0));
    } else {
      set.put(name, one);
      model[name] = one;
    }
    REQUIRE(set.size() == model.size());
    REQUIRE(before.size() == model_before.size());
    size_t different = 0;
    ObjectSet::compare(before, set, [&](const auto& of, const auto& was, const auto& is) {
      CHECK(of == name);
      CHECK(!(was == is));
      ++different;
    });
    CHECK(different <= 1);
    if (round % 100 != 0) continue;
    auto expected = model.begin();
    for (const auto& [key, value] : set.objects()) {
      REQUIRE(key == expected->first);
      REQUIRE(value == expected->second);
      ++expected;
    }
    // The same parts, put in another order.
    ObjectSet again;
    for (auto it = model.rbegin(); it != model.rend(); ++it) again.put(it->first, it->second);
    REQUIRE(again.parts().size() == set.parts().size());
    for (size_t i = 0; i < set.parts().size(); ++i)
      CHECK(again.parts()[i]->entries == set.parts()[i]->entries);
    CHECK(again.generation() == set.generation());
    CHECK(config::identical(again, set));
    CHECK(config::diff(empty, set).created.size() == set.size());
    CHECK(set.find({"WorkloadEntry", "ns0", "none"}) == nullptr);
  }
  CHECK(set.parts().size() > 3);
}

TEST_CASE("check: set after set, the same is found as in each alone", "[config]") {
  const auto all = pool();
  Random random(7);
  config::SetChecker checker;
  std::vector<bool> there(all.size());
  size_t found = 0;
  for (int round = 0; round < 1500; ++round) {
    for (uint64_t n = random.below(3) + 1; n-- > 0;) {
      const size_t at = random.below(all.size());
      there[at] = !there[at];
    }
    std::vector<std::string> yaml;
    for (size_t i = 0; i < all.size(); ++i)
      if (there[i]) yaml.push_back(all[i]);
    const ObjectSet set = set_of(yaml);
    const auto now = checker.check(set);
    const auto alone = config::check_set(set);
    INFO(round);
    REQUIRE(now.errors == alone.errors);
    REQUIRE(now.warnings == alone.warnings);
    found += now.errors.size() + now.warnings.size();
  }
  CHECK(found > 1500);
}

TEST_CASE("check: what is too much is cut in the same place", "[config]") {
  // Hosts that are nowhere: more findings than are told.
  std::vector<std::string> yaml;
  for (int i = 0; i < 40; ++i) {
    std::string routes;
    for (int j = 0; j < 30; ++j)
      routes += (j == 0 ? "" : ", ") + std::string("{match: [{uri: {exact: /") + std::to_string(j) +
                "}}], route: [{destination: {host: none-" + std::to_string(j) + "}}]}";
    yaml.push_back(object("VirtualService", "v" + std::to_string(i),
                          "hosts: [h" + std::to_string(i) + "], http: [" + routes + "]"));
  }
  config::SetChecker checker;
  const auto all = checker.check(set_of(yaml));
  CHECK(all.warnings.size() == 1000);
  yaml.erase(yaml.begin() + 3);
  const auto fewer = checker.check(set_of(yaml));
  CHECK(fewer.warnings == config::check_set(set_of(yaml)).warnings);
  CHECK(fewer.warnings != all.warnings);
}

TEST_CASE("files: text after text, the same is read as from all of them", "[config]") {
  Random random(3);
  config::Files files;
  Texts texts;
  size_t wrong = 0;
  for (int round = 0; round < 600; ++round) {
    const std::string name = "f" + std::to_string(random.below(6)) + ".yaml";
    std::string text;
    for (uint64_t n = random.below(4); n-- > 0;)
      text += entry("e" + std::to_string(random.below(8)));
    if (random.below(10) == 0) text += "---\nkind: Nothing\n";
    if (text.empty())
      texts.erase(name);
    else
      texts[name] = text_of(text);
    const auto now = files.read(texts);
    const auto alone = config::Files().read(texts);
    INFO(round);
    REQUIRE(now.errors == alone.errors);
    REQUIRE(listed(now.set) == listed(alone.set));
    REQUIRE(contents(now.texts) == contents(texts));
    wrong += !now.errors.empty();
  }
  CHECK(wrong > 10);
  CHECK(wrong < 590);
}

TEST_CASE("files: what did not change is the very same object", "[config]") {
  config::Files files;
  Texts texts{{"a.yaml", text_of(entry("a"))}, {"b.yaml", text_of(entry("b1") + entry("b2"))}};
  const auto first = files.read(texts);
  texts["b.yaml"] = text_of(entry("b1") + entry("b2", "address: 10.0.0.9"));
  const auto second = files.read(texts);
  const auto at = [](const config::Reading& reading, const char* name) {
    return reading.set.find_ref({"WorkloadEntry", "default", name});
  };
  CHECK(at(first, "a") == at(second, "a"));
  CHECK(at(first, "b1") == at(second, "b1"));
  CHECK(!(at(first, "b2") == at(second, "b2")));
}

TEST_CASE("directory: read again, it says what it says now", "[config]") {
  support::TempDir dir;
  config::DirectoryReader reader(dir.path());
  const auto read = [&] {
    auto now = reader.read();
    REQUIRE(now);
    CHECK(listed(now->set) == listed(config::read_directory(dir.path(), false)->set));
    return *std::move(now);
  };
  dir.write("a.yaml", entry("a", "address: 10.0.0.1"));
  dir.write("b.yaml", entry("b"));
  const auto first = read();
  // At once, and as long as before: the clock of the file system may not have moved.
  dir.write("a.yaml", entry("a", "address: 10.0.0.2"));
  const auto second = read();
  CHECK(first.set.generation() != second.set.generation());
  CHECK(first.texts.at("b.yaml") == second.texts.at("b.yaml"));
  std::filesystem::remove(dir.file("b.yaml"));
  CHECK(read().set.size() == 1);
  dir.write("b.yaml", entry("b"));
  CHECK(read().set.generation() == second.set.generation());
  // Another file of the same size and time in its place.
  dir.write(".next", entry("a", "address: 10.0.0.3"));
  std::filesystem::last_write_time(dir.file(".next"),
                                   std::filesystem::last_write_time(dir.file("a.yaml")));
  std::filesystem::rename(dir.file(".next"), dir.file("a.yaml"));
  CHECK(read().set.generation() != second.set.generation());
}

TEST_CASE("directory: after an edit the files that it was about are looked at", "[config]") {
  support::TempDir dir;
  config::DirectoryReader reader(dir.path());
  const auto alike = [&](const Result<config::Reading>& now) {
    REQUIRE(now);
    CHECK(listed(now->set) == listed(config::read_directory(dir.path(), false)->set));
    CHECK(contents(now->texts) == contents(config::read_directory(dir.path(), false)->texts));
  };
  dir.write("a.yaml", entry("a"));
  dir.write("b.yaml", entry("b"));
  alike(reader.read_again({"a.yaml"}));  // nothing was read before
  dir.write("a.yaml", entry("a", "address: 10.0.0.2"));
  dir.write("c.yaml", entry("c"));
  alike(reader.read_again({"a.yaml", "c.yaml"}));
  std::filesystem::remove(dir.file("b.yaml"));
  alike(reader.read_again({"b.yaml", "never.yaml"}));
  std::filesystem::create_directory(dir.file("d.yaml"));
  dir.write("notes.txt", "no object");
  alike(reader.read_again({"d.yaml", "notes.txt", ".hidden.yaml"}));
  alike(reader.read_again({}));
  // What is not named is as it was, until all is read.
  dir.write("c.yaml", entry("other"));
  CHECK(reader.read_again({"a.yaml"})->set.find({"WorkloadEntry", "default", "c"}) != nullptr);
  alike(reader.read());
  // One that cannot be read: nothing is known any more.
  std::filesystem::create_symlink(dir.file("e.yaml"), dir.file("e.yaml"));
  CHECK_FALSE(reader.read_again({"e.yaml"}));
  std::filesystem::remove(dir.file("e.yaml"));
  dir.write("c.yaml", entry("c"));
  alike(reader.read_again({}));
}

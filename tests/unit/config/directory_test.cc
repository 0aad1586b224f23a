// The directory as one set, and the edits of it: configd(8), "DESCRIPTION".

#include "config/directory.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "support/temp_dir.h"

using namespace mesh;

namespace {

std::string entry(const std::string& name, const std::string& address) {
  return "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: " + name +
         "}\nspec: {address: " + address + "}\n";
}

std::string written(const std::string& name, const std::string& address) {
  return "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata:\n  name: " + name +
         "\n  namespace: default\nspec:\n  address: \"" + address + "\"\n";
}

config::Reading read(const std::map<std::string, std::string>& files) {
  config::Reading reading;
  for (const auto& [name, text] : files) {
    config::read_into(reading, name, text);
    reading.texts[name] = std::make_shared<const std::string>(text);
  }
  CHECK(reading.errors == std::vector<std::string>{});
  return reading;
}

// The files after the edits that lead to `to`; what they say must be `to`.
std::map<std::string, std::string> after(const config::Reading& from, const config::ObjectSet& to) {
  std::map<std::string, std::string> files;
  for (const auto& [name, text] : from.texts) files[name] = *text;
  for (const auto& edit : config::plan_edits(from, to)) {
    if (edit.text)
      files[edit.file] = *edit.text;
    else
      files.erase(edit.file);
  }
  CHECK(read(files).set.generation() == to.generation());
  return files;
}

config::v1::Object object(const std::string& name, const std::string& address) {
  return *read({{"x.yaml", entry(name, address)}}).set.objects().begin()->second;
}

}  // namespace

TEST_CASE("directory: what is read, and what is not", "[config]") {
  support::TempDir dir;
  dir.write("a.yaml", entry("a", "10.0.0.1"));
  dir.write("b.json", R"({"apiVersion":"networking.istio.io/v1","kind":"WorkloadEntry",)"
                      R"("metadata":{"name":"b"},"spec":{"address":"10.0.0.2"}})");
  dir.write("notes.txt", "no object");
  dir.write(".hidden.yaml", "no object");
  dir.write("sub/c.yaml", "no object");
  auto reading = config::read_directory(dir.path());
  REQUIRE(reading);
  CHECK(reading->errors.empty());
  CHECK(reading->set.size() == 2);

  SECTION("an object that is there twice") {
    dir.write("z.yaml", "\n" + entry("a", "10.0.0.9"));
    CHECK(config::read_directory(dir.path())->errors ==
          std::vector<std::string>{"z.yaml:2:1: WorkloadEntry default/a: is there twice, also in "
                                   "a.yaml:1:1"});
  }
  SECTION("problems of all files") {
    dir.write("y.yaml", "- 1\n");
    dir.write("z.yaml", "a: [\n");
    CHECK(config::read_directory(dir.path())->errors.size() == 2);
  }
  SECTION("a name that is not UTF-8") {
    dir.write("caf\xe9.yaml", entry("c", "10.0.0.3"));
    const auto wrong = config::read_directory(dir.path());
    CHECK(wrong->errors ==
          std::vector<std::string>{"caf\\xe9.yaml: the file's name is not UTF-8; rename it"});
    CHECK(wrong->set.size() == 2);
  }
  SECTION("no directory") {
    const auto none = config::read_directory(dir.file("none"));
    REQUIRE(!none);
    CHECK(none.error().kind == Errc::NotFound);
  }
}

TEST_CASE("directory: edits leave alone what they are not about", "[config]") {
  const auto from = read({
      {"one.yaml", "# of one\n" + entry("one", "10.0.0.1")},
      {"many.yaml", "# first\n" + entry("a", "10.0.0.2") + "---\n# second\n" +
                        entry("b", "10.0.0.3") + "--- # third\n" + entry("c", "10.0.0.4")},
      {"list.yaml",
       "kind: List\nitems:\n- {apiVersion: networking.istio.io/v1, kind: "
       "WorkloadEntry, metadata: {name: l}, spec: {address: 10.0.0.5}}\n"
       "- {apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: "
       "m}, spec: {address: 10.0.0.6}}\n"},
  });
  auto to = from.set;
  SECTION("nothing to do") { CHECK(config::plan_edits(from, to).empty()); }
  SECTION("a new object has a file of its own") {
    to.put(object("new", "10.1.0.1"));
    const auto files = after(from, to);
    CHECK(files.size() == 4);
    CHECK(files.at("workloadentry.default.new.yaml") == written("new", "10.1.0.1"));
  }
  SECTION("one among others is replaced where it stands") {
    to.put(object("b", "10.1.0.2"));
    CHECK(after(from, to).at("many.yaml") == "# first\n" + entry("a", "10.0.0.2") +
                                                 "---\n# second\n" + written("b", "10.1.0.2") +
                                                 "--- # third\n" + entry("c", "10.0.0.4"));
  }
  SECTION("one among others is taken out") {
    to.remove({"WorkloadEntry", "default", "a"});
    CHECK(after(from, to).at("many.yaml") ==
          "---\n# second\n" + entry("b", "10.0.0.3") + "--- # third\n" + entry("c", "10.0.0.4"));
  }
  SECTION("a file without objects goes") {
    to.remove({"WorkloadEntry", "default", "one"});
    CHECK(!after(from, to).contains("one.yaml"));
  }
  SECTION("a list is written anew") {
    to.put(object("l", "10.1.0.5"));
    CHECK(after(from, to).at("list.yaml") ==
          written("l", "10.1.0.5") + "---\n" + written("m", "10.0.0.6"));
  }
}

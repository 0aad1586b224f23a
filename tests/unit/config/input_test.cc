// The forms that objects come in: versions, what kubectl prints, JSON, and texts that
// were made to hurt. mesh-config(5), "FILES" and "KINDS".
#include <catch2/catch.hpp>

#include "config/object.h"
#include "config/object_set.h"
#include "config/yaml.h"

using namespace mesh;

namespace {

struct Read {
  std::vector<config::v1::Object> objects;
  std::vector<std::string> lines;
  std::vector<std::string> warnings;
};

Read read(std::string_view text) {
  config::Problems problems("f.yaml");
  Read result;
  config::read_objects(text, problems, result.objects);
  result.lines = problems.lines();
  result.warnings = problems.warnings();
  return result;
}

std::string entry(const std::string& version, const std::string& metadata = "{name: a}") {
  return "apiVersion: networking.istio.io/" + version +
         "\nkind: WorkloadEntry\nmetadata: " + metadata + "\nspec: {address: 127.0.0.1}\n";
}

using Lines = std::vector<std::string>;

std::string first_of(const Lines& lines) { return lines.empty() ? "" : lines.front(); }

std::string times(size_t n, std::string_view part) {
  std::string all;
  for (size_t i = 0; i < n; ++i) all += part;
  return all;
}

}  // namespace

TEST_CASE("input: all versions of a kind are the same object", "[config]") {
  const auto one = read(entry("v1"));
  REQUIRE(one.objects.size() == 1);
  for (const char* version : {"v1beta1", "v1alpha3"}) {
    const auto other = read(entry(version));
    REQUIRE(other.objects.size() == 1);
    CHECK(config::digest(other.objects[0]) == config::digest(one.objects[0]));
  }
}

TEST_CASE("input: what kubectl get -o yaml prints", "[config]") {
  const auto from = read(
      "apiVersion: v1\n"
      "kind: List\n"
      "metadata:\n"
      "  resourceVersion: \"\"\n"
      "items:\n"
      "- apiVersion: networking.istio.io/v1beta1\n"
      "  kind: WorkloadEntry\n"
      "  metadata:\n"
      "    annotations:\n"
      "      kubectl.kubernetes.io/last-applied-configuration: |\n"
      "        {\"kind\":\"WorkloadEntry\"}\n"
      "    creationTimestamp: \"2026-01-01T00:00:00Z\"\n"
      "    generation: 2\n"
      "    managedFields:\n"
      "    - fieldsType: FieldsV1\n"
      "      fieldsV1: {\"f:spec\": {\".\": {}}}\n"
      "    name: a\n"
      "    namespace: default\n"
      "    resourceVersion: \"7\"\n"
      "    uid: 0f6c\n"
      "  spec:\n"
      "    address: 127.0.0.1\n"
      "  status: {}\n");
  CHECK(from.lines == Lines{});
  REQUIRE(from.objects.size() == 1);
  CHECK(config::digest(from.objects[0]) == config::digest(read(entry("v1")).objects.at(0)));
  CHECK(config::find_position(from.objects[0], "spec") == config::Position{21, 3});
  CHECK(from.warnings ==
        Lines{"f.yaml:12:5: WorkloadEntry default/a: metadata: creationTimestamp, generation, "
              "managedFields, resourceVersion, uid, "
              "kubectl.kubernetes.io/last-applied-configuration: passed over: state of a "
              "Kubernetes cluster",
              "f.yaml:23:3: WorkloadEntry default/a: status: passed over: state of a Kubernetes "
              "cluster"});
}

TEST_CASE("input: JSON, one text after the other", "[config]") {
  const std::string one =
      "{\"apiVersion\": \"networking.istio.io/v1\", \"kind\": \"WorkloadEntry\", \"metadata\": "
      "{\"name\": \"a}{\\\"\"}, \"spec\": {\"address\": 1}}";
  const auto from = read(one + "\n\t" + one + one);
  const std::string says =
      ": WorkloadEntry default/a}{\": spec.address: expected text, got the number 1; put it in "
      "quotes";
  CHECK(from.lines == Lines{"f.yaml:1:107" + says, "f.yaml:2:108" + says, "f.yaml:2:228" + says});
  // YAML that begins like JSON is YAML.
  CHECK(read("{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: a}, "
             "spec: {address: \"::1\"}}\n---\n" +
             entry("v1", "{name: b}"))
            .objects.size() == 2);
}

TEST_CASE("input: a document that is refused hides none of the others", "[config]") {
  const auto from = read("a: 1\na: &x 2\na: 3\n---\n" + entry("v1") + "---\n" +
                         entry("v1", "{name: b, nam: c}") + "---\n[\n---\nb: 1\nb: 2\n");
  REQUIRE(from.lines.size() == 5);
  CHECK(from.lines[0] == "f.yaml:2:1: the key \"a\" is there twice");
  CHECK(from.lines[1] == "f.yaml:2:4: anchors are refused; write the value out");
  CHECK(from.lines[2] == "f.yaml:3:1: the key \"a\" is there twice");
  CHECK(from.lines[3].starts_with("f.yaml:16:1: "));  // no YAML: the end of what can be read
  CHECK(from.lines[4].starts_with("f.yaml:12:21: WorkloadEntry default/b: metadata: unknown"));
  REQUIRE(from.objects.size() == 1);
  CHECK(from.objects[0].name() == "a");
}

TEST_CASE("input: texts that were made to hurt are refused", "[config]") {
  struct Row {
    const char* because;
    std::string text;
    const char* want;  // the first line
  };
  const Row rows[] = {
      {"a bomb of aliases", "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
       "f.yaml:1:4: anchors are refused; write the value out"},
      {"depth", times(100'000, "["), "f.yaml:1:65: nested over 64 levels"},
      {"depth of blocks", times(2000, "- "), "f.yaml:1:129: nested over 64 levels"},
      {"100 MB", std::string(100U << 20, 'a'), "f.yaml: larger than 16777216 bytes"},
      {"a key twice", "a: 1\na: 2\n", "f.yaml:2:1: the key \"a\" is there twice"},
      {"a tab", "a:\n\tb: 1\n",
       "f.yaml:2:1: a tab in the indentation; use blanks while scanning "
       "for the next token"},
      {"NUL", std::string("a: \0", 4), "f.yaml:1:4: NUL is refused"},
      {"NUL by escape", "a: \"\\0\"\n", "f.yaml:1:4: NUL is refused"},
      {"half a character", "a: \xc3", "f.yaml:1:4: not UTF-8"},
      {"directives", times(1'000'000, "%TAG !a! b\n"),
       "f.yaml: %TAG is refused; quote text, write numbers plain"},
      {"documents", times(2'000'000, "{}"), "f.yaml:1:20001: more than 10000 documents"},
      {"values", "[" + times(4'000'000, "a,") + "]", "f.yaml:1:2000000: more than 1000000 values"},
  };
  for (const Row& row : rows) DYNAMIC_SECTION(row.because) {
      config::Problems problems("f.yaml");
      static_cast<void>(config::parse_yaml(row.text, problems));
      CHECK(first_of(problems.lines()) == row.want);
    }
}

TEST_CASE("input: regexes without end", "[config]") {
  const auto service = [](const std::string& routes) {
    return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
           "spec:\n  hosts: [a]\n  http:\n" +
           routes;
  };
  const auto route = [](const std::string& regex) {
    return "  - {match: [{uri: {regex: '" + regex + "'}}], route: [{destination: {host: a}}]}\n";
  };
  const auto large = read(service(route("((a{100}){100}){100}")));
  CHECK(first_of(large.lines).find("spec.http[0].match[0].uri: regex \"((a{100}){100}){100}\": ") !=
        std::string::npos);
  CHECK(first_of(read(service(route("a("))).lines) ==
        "f.yaml:7:15: VirtualService default/a: spec.http[0].match[0].uri: regex \"a(\": missing "
        "): a(");
  // Each for itself is small enough.
  const auto many = read(service(times(10'000, route("(a{100}){9}"))));
  REQUIRE(many.lines.size() == 1);
  CHECK(many.lines[0].find("the regexes of this file are too large together") != std::string::npos);
}

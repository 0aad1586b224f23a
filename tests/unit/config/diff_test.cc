// Differences of objects, as mesh diff prints them: mesh(1), "diff".

#include "config/diff.h"

#include <catch2/catch.hpp>

#include "config/directory.h"
#include "config/selector.h"
#include "config/set_stream.h"

using namespace mesh;

namespace {

std::string service(const std::string& name, const std::string& spec) {
  return "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " + name +
         "}\nspec: " + spec + "\n";
}

config::ObjectSet read(const std::string& file, const std::string& text) {
  config::Reading reading;
  config::read_into(reading, file, text);
  CHECK(reading.errors == std::vector<std::string>{});
  return reading.set;
}

std::string text_of(const std::string& before, const std::string& after) {
  const config::ObjectSet from = read("a.yaml", before);
  const config::ObjectSet to = read("b.yaml", after);
  std::string text;
  for (const auto& one : config::diff_objects(from, to)) text += config::to_text(one);
  return text;
}

// A list of routes to the hosts, in order.
std::string routes(std::initializer_list<const char*> hosts) {
  std::string http;
  for (const std::string host : hosts)
    http += (http.empty() ? "" : ", ") + ("{match: [{uri: {prefix: /" + host +
                                          "}}], route: [{destination: {host: " + host + "}}]}");
  return service("web", "{hosts: [web.example.com], http: [" + http + "]}");
}

// The paths that differ, with "-" gone, "+" come, "~" changed.
std::string paths(const std::string& before, const std::string& after) {
  const config::ObjectSet from = read("a.yaml", before);
  const config::ObjectSet to = read("b.yaml", after);
  std::string out;
  for (const auto& one : config::diff_objects(from, to))
    for (const auto& field : one.fields)
      out += (out.empty() ? "" : " ") +
             std::string(!field.before  ? "+"
                         : !field.after ? "-"
                                        : "~") +
             field.path;
  return out;
}

}  // namespace

TEST_CASE("diff: fields by their path; an item put before others leaves those alone", "[config]") {
  CHECK(paths(routes({"a", "b"}), routes({"a", "b"})).empty());
  CHECK(paths(routes({"a", "b"}), routes({"n", "a", "b"})) == "+spec.http[0]");
  CHECK(paths(routes({"a", "b", "c"}), routes({"a", "c"})) == "-spec.http[1]");
  CHECK(paths(routes({"a", "b", "c"}), routes({"a", "d", "c"})) ==
        "~spec.http[1].match[0].uri.prefix ~spec.http[1].route[0].destination.host");
}

TEST_CASE("diff: a default that is spelled out, and another file, is no difference", "[config]") {
  CHECK(text_of(service("web", "{hosts: [a.b], http: [{route: [{destination: {host: x}}]}]}"),
                service("web",
                        "{hosts: [a.b], http: [{route: [{weight: 0, destination: {host: x}}]}]}"))
            .empty());
}

TEST_CASE("diff: what people read", "[config]") {
  const std::string web = "{hosts: [a.b], http: [{route: [{destination: {host: x}}]}]}";
  const std::string slow =
      "{hosts: [a.b], http: [{timeout: 5s, route: [{destination: {host: x}}]}]}";
  CHECK(text_of(service("web", web), service("web", slow)) ==
        "--- VirtualService/default/web a.yaml:2:1\n"
        "+++ VirtualService/default/web b.yaml:2:1\n"
        "@@ spec.http[0].timeout @@\n"
        "+\"5s\"\n");
  const std::string created = text_of("", service("web", web));
  CHECK(created.starts_with(
      "--- /dev/null\n+++ VirtualService/default/web b.yaml:2:1\n@@ metadata @@\n+name: web\n"));
  CHECK(text_of(service("web", web), "").find("-hosts:\n") != std::string::npos);

  const config::ObjectSet from = read("a.yaml", service("web", web));
  const config::ObjectSet to = read("b.yaml", service("web", slow));
  CHECK(config::to_json(config::diff_objects(from, to).front()) ==
        R"({"object":"VirtualService/default/web","what":"configured",)"
        R"("fields":[{"path":"spec.http[0].timeout","after":"5s"}]})");
}

TEST_CASE("selector: labels that all must be there", "[config]") {
  config::v1::Object object;
  (*object.mutable_labels())["owner"] = "shop";
  (*object.mutable_labels())["tier"] = "";
  const auto matches = [&](std::string_view text) {
    const auto selector = config::Selector::parse(text);
    return selector && selector->matches(object);
  };
  CHECK(matches("owner=shop"));
  CHECK(matches(" owner = shop,tier="));
  CHECK(!matches("owner=shop,tier=web"));
  CHECK(!matches("team="));
  for (const char* const wrong : {"", "owner", "=shop", "owner==shop", "a=1,a=2", "a=1,"}) {
    INFO(wrong);
    CHECK(!config::Selector::parse(wrong));
  }
}

TEST_CASE("set stream: a set is what stands before its end, however it is cut", "[config]") {
  const std::string printed = "a: 1\n---\nb: 2\n# end of set\n# end of set\r\nc: 3\n";
  for (size_t step = 1; step <= printed.size(); ++step) {
    INFO(step);
    config::SetStream stream(1000);
    std::vector<std::string> sets;
    for (size_t at = 0; at < printed.size(); at += step) {
      auto more = stream.add(std::string_view(printed).substr(at, step));
      REQUIRE(more);
      sets.insert(sets.end(), more->begin(), more->end());
    }
    CHECK(sets == std::vector<std::string>{"a: 1\n---\nb: 2\n", ""});
    CHECK(stream.begun());
  }
  config::SetStream stream(30);
  CHECK(stream.add("1234567890\n# end of set\n1234567890\n# end of set\n"));
  const auto big = stream.add("1234567890\n12345678901234567890");
  REQUIRE(!big);
  CHECK(big.error().kind == Errc::TooBig);
}

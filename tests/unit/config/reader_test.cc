// What the reader takes and what it says of the rest: mesh-config(5), "FILES".

#include "config/reader.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/wrappers.pb.h>

#include <catch2/catch.hpp>

#include "istio/networking/v1alpha3/destination_rule.pb.h"
#include "istio/networking/v1alpha3/service_entry.pb.h"
#include "istio/networking/v1alpha3/virtual_service.pb.h"
#include "istio/networking/v1alpha3/workload_entry.pb.h"
#include "istio/security/v1beta1/peer_authentication.pb.h"
#include "mesh/config.pb.h"
#include "mesh/settings_forwarder.pb.h"

using namespace mesh;
namespace pb = google::protobuf;
namespace v1alpha3 = istio::networking::v1alpha3;

namespace {

// The message as JSON, or what read_text() says.
std::string read(std::string_view yaml, pb::Message&& out) {
  const auto done = config::read_text(yaml, "f.yaml", out);
  if (!done) return done.error().text;
  std::string json;
  REQUIRE(pb::util::MessageToJsonString(out, &json).ok());
  return json;
}

}  // namespace

TEST_CASE("reader: plain values of every type", "[config]") {
  struct Row {
    const char* because;
    std::string got;
    const char* want;
  };
  const Row rows[] = {
      {"int32", read("-7", pb::Int32Value()), "-7"},
      {"int32 is no text", read("many", pb::Int32Value()),
       R"(f.yaml:1:1: expected a whole number, got "many")"},
      {"int32 is not quoted", read("\"7\"", pb::Int32Value()),
       R"(f.yaml:1:1: expected a whole number, got "7")"},
      {"int32 has no fraction", read("1.0", pb::Int32Value()),
       R"(f.yaml:1:1: expected a whole number, got "1.0")"},
      {"int32 has no leading zero", read("010", pb::Int32Value()),
       R"(f.yaml:1:1: expected a whole number, got "010")"},
      {"int32 ends", read("2147483648", pb::Int32Value()),
       R"(f.yaml:1:1: expected a whole number from -2147483648 to 2147483647, got "2147483648")"},
      {"uint32", read("4294967295", pb::UInt32Value()), "4294967295"},
      {"uint32 has no sign", read("-1", pb::UInt32Value()),
       R"(f.yaml:1:1: expected a whole number from 0 to 4294967295, got "-1")"},
      {"uint64 plain", read("18446744073709551615", pb::UInt64Value()), "\"18446744073709551615\""},
      {"uint64 quoted, as JSON has it", read("\"12\"", pb::UInt64Value()), "\"12\""},
      {"int64", read("-9223372036854775808", pb::Int64Value()), "\"-9223372036854775808\""},
      {"double", read("1.5e2", pb::DoubleValue()), "150"},
      {"double is no text", read("much", pb::DoubleValue()),
       R"(f.yaml:1:1: expected a number, got "much")"},
      {"double is finite", read("1e999", pb::DoubleValue()),
       R"(f.yaml:1:1: expected a number in range, got "1e999")"},
      {"double is no NaN", read(".nan", pb::DoubleValue()),
       R"(f.yaml:1:1: expected a number, got ".nan")"},
      {"float is narrower", read("1e39", pb::FloatValue()),
       R"(f.yaml:1:1: expected a number in range, got "1e39")"},
      {"bool", read("true", pb::BoolValue()), "true"},
      {"bool is not yes", read("yes", pb::BoolValue()),
       R"(f.yaml:1:1: expected true or false, got "yes")"},
      {"bool is not quoted", read("'true'", pb::BoolValue()),
       R"(f.yaml:1:1: expected true or false, got "true")"},
      {"text", read("a b", pb::StringValue()), "\"a b\""},
      {"text of digits needs quotes", read("12", pb::StringValue()),
       "f.yaml:1:1: expected text, got the number 12; put it in quotes"},
      {"text that reads as a truth needs quotes", read("true", pb::StringValue()),
       "f.yaml:1:1: expected text, got true; put it in quotes"},
      {"text in quotes may be digits", read("'12'", pb::StringValue()), "\"12\""},
      {"text is no list", read("[a]", pb::StringValue()), "f.yaml:1:1: expected text, got a list"},
      {"bytes are base64", read("aGk=", pb::BytesValue()), "\"aGk=\""},
      {"bytes are nothing else", read("a!?", pb::BytesValue()),
       R"(f.yaml:1:1: expected base64, got "a!?")"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) { CHECK(row.got == row.want); }
  }
}

TEST_CASE("reader: messages, lists, maps, enums, durations", "[config]") {
  struct Row {
    const char* because;
    std::string got;
    const char* want;
  };
  using Http = v1alpha3::HTTPRoute;
  const Row rows[] = {
      {"JSON names", read("retries: {perTryTimeout: 2s}", Http()),
       R"({"retries":{"perTryTimeout":"2s"}})"},
      {"declared names", read("retries: {per_try_timeout: 2s}", Http()),
       R"({"retries":{"perTryTimeout":"2s"}})"},
      {"not by both", read("retries: {per_try_timeout: 2s, perTryTimeout: 2s}", Http()),
       R"(f.yaml:1:32: retries: "perTryTimeout" is there twice, by both its names)"},
      {"durations as Istio writes them", read("timeout: 1h30m", Http()), R"({"timeout":"5400s"})"},
      {"durations below a second", read("timeout: 1.5s", Http()), R"({"timeout":"1.500s"})"},
      {"durations have a unit", read("timeout: 10", Http()),
       R"(f.yaml:1:1: timeout: expected a duration such as 300ms, 10s or 1h30m, got "10")"},
      {"durations are not negative", read("timeout: -1s", Http()),
       R"(f.yaml:1:1: timeout: expected a duration such as 300ms, 10s or 1h30m, got "-1s")"},
      {"wrappers are plain values", read("retries: {retryIgnorePreviousHosts: false}", Http()),
       R"({"retries":{"retryIgnorePreviousHosts":false}})"},
      {"a place in a list", read("route:\n- destination: {host: a}\n- weight: x\n", Http()),
       R"(f.yaml:3:3: route[1].weight: expected a whole number, got "x")"},
      {"a list is a list", read("route: {weight: 1}", Http()),
       "f.yaml:1:1: route: expected a list, got a mapping"},
      {"a mapping is a mapping", read("retries: 3", Http()),
       R"(f.yaml:1:1: retries: expected a mapping, got "3")"},
      {"nothing leaves a mapping empty", read("retries:\nname: a", Http()), R"({"name":"a"})"},
      {"nothing leaves a list empty", read("route:\n", Http()), "{}"},
      {"nothing is no number", read("retries:\n  attempts:\n", Http()),
       "f.yaml:2:3: retries.attempts: expected a whole number, got nothing"},
      {"maps", read("labels: {a: '1'}", v1alpha3::WorkloadEntry()), R"({"labels":{"a":"1"}})"},
      {"values of maps", read("labels: {version: 1}", v1alpha3::WorkloadEntry()),
       "f.yaml:1:10: labels[\"version\"]: expected text, got the number 1; put it in quotes"},
      {"keys of maps",
       read("portLevelMtls: {x: {mode: STRICT}}", istio::security::v1beta1::PeerAuthentication()),
       "f.yaml:1:17: portLevelMtls[\"x\"]: expected a whole number, got \"x\""},
      {"maps of messages",
       read("portLevelMtls: {8080: {mode: STRICT}}",
            istio::security::v1beta1::PeerAuthentication()),
       R"({"portLevelMtls":{"8080":{"mode":"STRICT"}}})"},
      {"enums have names",
       read("mtls: {mode: STRCT}", istio::security::v1beta1::PeerAuthentication()),
       "f.yaml:1:8: mtls.mode: expected one of UNSET, DISABLE, PERMISSIVE, STRICT, got \"STRCT\"; "
       "did you mean STRICT?"},
      {"enums are no numbers",
       read("mtls: {mode: 3}", istio::security::v1beta1::PeerAuthentication()),
       "f.yaml:1:8: mtls.mode: expected one of UNSET, DISABLE, PERMISSIVE, STRICT, got \"3\""},
      {"an enum's value that we have not",
       read("resolution: DYNAMIC_DNS", v1alpha3::ServiceEntry()),
       "f.yaml:1:1: resolution: DYNAMIC_DNS is not supported: names that forwarders look up for "
       "each request; use NONE where connections are captured, or name each host and use DNS"},
      {"one of a oneof", read("uri: {exact: a, prefix: b}", v1alpha3::HTTPMatchRequest()),
       R"(f.yaml:1:17: uri: "prefix" excludes "exact", which is there too)"},
      {"unknown, with the nearest", read("retrys: {attempts: 1}", Http()),
       R"(f.yaml:1:1: unknown field "retrys"; did you mean "retries"?)"},
      {"unknown, with nothing near", read("zzz: 1", Http()), R"(f.yaml:1:1: unknown field "zzz")"},
      {"the old form of a share", read("mirrorPercent: 5", Http()), R"({"mirrorPercent":5})"},
      {"known to Istio and not to us, with what to use",
       read("fault:\n  abort:\n    http2Error: x", Http()),
       "f.yaml:3:5: fault.abort.http2Error: not supported: stream errors; use httpStatus"},
      {"all problems, not just the first", read("timeout: x\nretries:\n  attempts: y\n", Http()),
       "f.yaml:1:1: timeout: expected a duration such as 300ms, 10s or 1h30m, got \"x\"\n"
       "f.yaml:3:3: retries.attempts: expected a whole number, got \"y\""},
      {"JSON is YAML", read("{\"name\": \"a\",\n\t\"timeout\": \"2s\"}", Http()),
       R"({"timeout":"2s","name":"a"})"},
      {"an empty file is an empty message", read("# nothing\n", mesh::settings::v1::Forwarder()),
       "{}"},
      {"two documents are one too many", read("name: a\n---\nname: b\n", Http()),
       "f.yaml:3:1: a second document; expected one"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) { CHECK(row.got == row.want); }
  }
}

TEST_CASE("reader: Any by @type, Struct", "[config]") {
  const std::string url = "type.googleapis.com/istio.networking.v1alpha3.WorkloadEntry";
  (void)v1alpha3::WorkloadEntry::descriptor();
  CHECK(
      read("spec:\n  \"@type\": " + url + "\n  address: 10.0.0.1\n", mesh::config::v1::Object()) ==
      "{\"spec\":{\"@type\":\"" + url + "\",\"address\":\"10.0.0.1\"}}");
  CHECK(read("spec: {\"@type\": " + url + ", adress: x}", mesh::config::v1::Object()) ==
        "f.yaml:1:78: spec: unknown field \"adress\"; did you mean \"address\"?");
  CHECK(read("spec: {address: x}", mesh::config::v1::Object()) ==
        "f.yaml:1:1: spec: expected \"@type\", the URL of a type");
  CHECK(read("spec: {\"@type\": a/b.C}", mesh::config::v1::Object()) ==
        "f.yaml:1:17: spec: not supported: type \"a/b.C\"");
  CHECK(read("a: [1, x, null, {b: true}]", pb::Struct()) == R"({"a":[1,"x",null,{"b":true}]})");
}

TEST_CASE("reader: what is refused before it is looked at", "[config]") {
  struct Row {
    const char* because;
    std::string yaml;
    std::string want;
  };
  std::string deep(70, '[');
  const Row rows[] = {
      {"anchors", "name: &a x", "f.yaml:1:7: anchors are refused; write the value out"},
      {"aliases", "name: *a", "f.yaml:1:7: aliases are refused; write the value out"},
      {"tags", "name: !!str x", "f.yaml:1:7: tags are refused; quote text, write numbers plain"},
      {"duplicate keys", "name: a\nname: b", "f.yaml:2:1: the key \"name\" is there twice"},
      {"keys that are lists", "[a]: b", "f.yaml:1:1: a key must be plain text"},
      {"NUL", std::string("name: a\0b", 9), "f.yaml:1:8: NUL is refused"},
      {"NUL as an escape", "name: \"a\\0b\"", "f.yaml:1:7: NUL is refused"},
      {"control bytes", "name: a\x01", "f.yaml:1:8: control characters are refused"},
      {"bytes that are not UTF-8", "name: a\xff", "f.yaml:1:8: not UTF-8"},
      {"overlong UTF-8", "name: \xc0\xaf", "f.yaml:1:7: not UTF-8"},
      {"surrogates", "name: \xed\xa0\x80", "f.yaml:1:7: not UTF-8"},
      {"tabs for indentation", "retries:\n\tattempts: 1",
       "f.yaml:2:1: a tab in the indentation; use blanks while scanning for the next token"},
      {"depth", deep, "f.yaml:1:65: nested over 64 levels"},
      {"a text that ends early", "{name: a",
       "f.yaml:2:1: did not find expected ',' or '}' while "
       "parsing a flow mapping"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) { CHECK(read(row.yaml, v1alpha3::HTTPRoute()) == row.want); }
  }

  SECTION("bytes, values, documents") {
    config::Problems problems("f.yaml");
    config::Limits limits;
    limits.bytes_max = 4;
    (void)config::parse_yaml("12345", problems, limits);
    limits.bytes_max = 100;
    limits.nodes_max = 2;
    (void)config::parse_yaml("[1, 2]", problems, limits);
    limits.nodes_max = 100;
    limits.documents_max = 1;
    (void)config::parse_yaml("a\n---\nb\n", problems, limits);
    CHECK(problems.lines() == std::vector<std::string>{
                                  "f.yaml: larger than 4 bytes",
                                  "f.yaml:1:5: more than 2 values",
                                  "f.yaml:2:1: more than 1 documents",
                              });
  }

  SECTION("the list of problems itself is bounded") {
    std::string yaml;
    for (int i = 0; i < 60; ++i) yaml += "field" + std::to_string(i) + ": 1\n";
    const std::string all = read(yaml, v1alpha3::WorkloadEntry());
    CHECK(std::count(all.begin(), all.end(), '\n') == 50);
    CHECK(all.ends_with("\nf.yaml: 10 more problems"));
  }
}

TEST_CASE("reader: a failed read leaves the message as it was", "[config]") {
  mesh::settings::v1::Forwarder settings;
  settings.set_workload("kept");
  CHECK(!config::read_text("workload: other\nbogus: 1\n", "f.yaml", settings));
  CHECK(settings.workload() == "kept");
  const auto missing = config::read_settings("no/such/file.yaml", settings);
  REQUIRE(!missing);
  CHECK(missing.error().kind == Errc::NotFound);
}

TEST_CASE("reader: what a check says is told by its place", "[config]") {
  const std::string text =
      "outboundMode: '999'\n"
      "on_demand:\n"
      "  wait: 0s\n"
      "proxy_protocol_peers: [192.0.2.1, foo]\n"
      "ports: {myPort: 0, my_port: 1}\n"
      "outbound: foo\n";
  mesh::settings::v1::Forwarder settings;
  config::Places places;
  REQUIRE(config::read_text(text, "f.yaml", settings, &places));
  struct Row {
    const char* because;
    const char* error;
    const char* want;
  };
  const Row rows[] = {
      {"a field", "outbound: expected", "f.yaml:6:1: outbound: expected"},
      {"by the name that is written", "outbound_mode: expected",
       "f.yaml:1:1: outboundMode: expected"},
      {"inside of another", "on_demand.wait: expected", "f.yaml:3:3: on_demand.wait: expected"},
      {"what is left out is told by what holds it", "on_demand.hosts_max: is needed",
       "f.yaml:2:1: on_demand.hosts_max: is needed"},
      {"an item", "proxy_protocol_peers[1]: expected",
       "f.yaml:4:35: proxy_protocol_peers[1]: expected"},
      {"a key", "ports[\"myPort\"]: expected", "f.yaml:5:9: ports[\"myPort\"]: expected"},
      {"another key", "ports[\"my_port\"]: expected", "f.yaml:5:20: ports[\"my_port\"]: expected"},
      {"no field that is there", "drain: expected", "drain: expected"},
      {"no field at all", "outbound is wrong", "outbound is wrong"},
  };
  for (const Row& row : rows) {
    INFO(row.because);
    const auto error = config::at_place({Errc::Invalid, row.error}, "f.yaml", places);
    CHECK(error.kind == Errc::Invalid);
    CHECK(error.text == row.want);
  }
  const auto wrong = config::read_text("requestFactsMax: many\n", "f.yaml", settings);
  REQUIRE(!wrong);
  CHECK_THAT(wrong.error().text, Catch::StartsWith("f.yaml:1:1: requestFactsMax: "));
  CHECK(config::in_field("etcd", {Errc::Invalid, "timeout: over"}).text == "etcd.timeout: over");
}

TEST_CASE("reader: positions of mappings and list items", "[config]") {
  config::Problems problems("f.yaml");
  config::Places places;
  const auto documents =
      config::parse_yaml("spec:\n  http:\n  - retries:\n      attempts: 1\n", problems);
  REQUIRE(documents.size() == 1);
  v1alpha3::VirtualService out;
  config::fill(*documents[0].find("spec"), {1, 1}, "spec", out, problems, &places);
  CHECK(problems.empty());
  std::vector<std::string> got;
  for (const auto& place : places)
    got.push_back(place.path + config::to_string("", place.at) + (place.plain ? " plain" : ""));
  CHECK(got == std::vector<std::string>{"spec.http:2:3", "spec.http[0]:3:5",
                                        "spec.http[0].retries:3:5",
                                        "spec.http[0].retries.attempts:4:7 plain"});
}

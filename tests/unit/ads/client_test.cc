// The client's side of the discovery protocol, both variants: what a server is told, and when.
#include "ads/client.h"

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace mesh;
using ads::AdsClient;
using Variant = AdsClient::Variant;

namespace {

enum : size_t { Cds, Eds, Lds, Rds };
const char* const kShort[] = {"cds", "eds", "lds", "rds"};

std::string url(size_t type) { return std::string(ads::mesh_types()[type].url); }

// A client and what its receiver heard, in words: "cds +a -b", "cds = a b" where that is all.
struct Bed final : AdsClient::Receiver {
  Variant variant;
  AdsClient client;
  std::vector<std::string> heard;
  std::map<std::string, std::string> bad;  // refused, with the reason
  Instant now{std::chrono::seconds(100)};

  explicit Bed(Variant v, AdsClient::Limits limits = {})
      : variant(v), client(v, ads::mesh_types(), node(), false, *this, limits) {}

  static envoy::config::core::v3::Node node() {
    envoy::config::core::v3::Node node;
    node.set_id("n");
    return node;
  }

  void on_received(size_t type, const AdsClient::Received& received,
                   std::vector<AdsClient::Refusal>& refused) override {
    std::string words = kShort[type];
    if (received.whole) words += " =";
    for (const auto& item : received.items) {
      if (bad.contains(item.name))
        refused.push_back({item.name, bad[item.name]});
      else
        words += (item.confirmed ? " ~" : " +") + item.name;
    }
    for (const auto name : received.removed) words += " -" + std::string(name);
    heard.push_back(words);
  }

  // The resource of "name=version@5": with a time to live of 5 s; "name=version@5?" confirms it.
  static ads::pb::Resource resource_of(size_t type, const std::string& word) {
    ads::pb::Resource resource;
    const size_t at = std::min(word.find('@'), word.size());
    resource.set_name(word.substr(0, word.find('=')));
    resource.set_version(word.substr(0, at).substr(word.find('=') + 1));
    if (at != word.size()) resource.mutable_ttl()->set_seconds(std::atoi(word.c_str() + at + 1));
    if (word.back() == '?') return resource;
    const auto& name = resource.name();
    resource.mutable_resource()->set_type_url(url(type));
    resource.mutable_resource()->set_value("\x0a" + std::string(1, char(name.size())) + name);
    return resource;
  }

  // "name=version" is one, "-name" is gone. What has a time to live is wrapped.
  Result<AdsClient::Outcome> respond(size_t type, const std::string& nonce,
                                     const std::vector<std::string>& words,
                                     const std::string& version = "v") {
    if (variant == Variant::Incremental) {
      ads::pb::DeltaDiscoveryResponse response;
      response.set_type_url(url(type));
      response.set_nonce(nonce);
      response.set_system_version_info(version);
      for (const auto& word : words) {
        if (word[0] == '-') {
          response.add_removed_resources(word.substr(1));
          continue;
        }
        *response.add_resources() = resource_of(type, word);
      }
      return client.take(response.SerializeAsString(), now);
    }
    ads::pb::DiscoveryResponse response;
    response.set_type_url(url(type));
    response.set_nonce(nonce);
    response.set_version_info(version);
    for (const auto& word : words) {
      const auto resource = resource_of(type, word);
      if (word.find('@') == std::string::npos)
        *response.add_resources() = resource.resource();
      else
        response.add_resources()->PackFrom(resource);
    }
    return client.take(response.SerializeAsString(), now);
  }

  // All requests that are due: "cds", "eds +a -b", "cds ack 1", "cds nack 1 REASON".
  std::vector<std::string> said() {
    std::vector<std::string> all;
    while (const auto bytes = client.next()) {
      std::string text;
      const auto answer = [&](const auto& request) {
        if (request.node().id() == "n") text += " node";
        if (!request.response_nonce().empty())
          text += std::string(request.has_error_detail() ? " nack " : " ack ") +
                  request.response_nonce();
        if (request.has_error_detail()) text += " {" + request.error_detail().message() + "}";
      };
      const auto kind = [&](const std::string& type_url) {
        for (size_t i = 0; i < 4; ++i)
          if (url(i) == type_url) text = kShort[i] + text;
      };
      if (variant == Variant::Incremental) {
        ads::pb::DeltaDiscoveryRequest request;
        REQUIRE(request.ParseFromString(*bytes));
        answer(request);
        for (const auto& name : request.resource_names_subscribe()) text += " +" + name;
        for (const auto& name : request.resource_names_unsubscribe()) text += " -" + name;
        const std::map<std::string, std::string> held(request.initial_resource_versions().begin(),
                                                      request.initial_resource_versions().end());
        for (const auto& [name, version] : held) text += " " + name + "=" + version;
        kind(request.type_url());
      } else {
        ads::pb::DiscoveryRequest request;
        REQUIRE(request.ParseFromString(*bytes));
        answer(request);
        if (!request.version_info().empty()) text += " at " + request.version_info();
        for (const auto& name : request.resource_names()) text += " " + name;
        kind(request.type_url());
      }
      all.push_back(text);
    }
    return all;
  }
};

using Words = std::vector<std::string>;

TEST_CASE("state of the world: versions, nonces and names") {
  Bed bed(Variant::StateOfTheWorld);
  bed.client.want_all(Cds);
  bed.client.begin();
  CHECK(bed.said() == Words{"cds node"});
  REQUIRE(bed.respond(Cds, "1", {"a=", "b="}, "v1"));
  CHECK(bed.heard == Words{"cds = +a +b"});
  bed.client.want(Eds, {"a", "b"});
  CHECK(bed.said() == Words{"cds ack 1 at v1", "eds a b"});
  // What nobody asked for is passed over, and the rest is taken.
  REQUIRE(bed.respond(Eds, "2", {"a=", "x="}, "v1"));
  CHECK(bed.heard.back() == "eds +a");
  CHECK(bed.said() == Words{"eds ack 2 at v1 a b"});
  // A refusal keeps the version that was accepted, and says why.
  bed.bad["b"] = "lb_policy: is not supported";
  const auto outcome = bed.respond(Cds, "3", {"a=", "b="}, "v2");
  REQUIRE(outcome);
  CHECK_FALSE(outcome->accepted);
  CHECK(bed.said() ==
        Words{"cds nack 3 {1 of " + url(Cds) + ": b: lb_policy: is not supported} at v1"});
  CHECK(bed.said().empty());
  // A new stream begins with what was accepted last.
  bed.client.begin();
  CHECK(bed.said() == Words{"cds node at v1", "eds at v1 a b"});
}

TEST_CASE("incremental: what is held is brought to the next stream") {
  Bed bed(Variant::Incremental);
  bed.client.want_all(Cds);
  bed.client.begin();
  CHECK(bed.said() == Words{"cds node"});
  bed.bad["b"] = "no";
  REQUIRE(bed.respond(Cds, "1", {"a=1", "b=1", "c=1"}));
  CHECK(bed.said() == Words{"cds nack 1 {1 of " + url(Cds) + ": b: no}"});
  REQUIRE(bed.respond(Cds, "2", {"-c"}));
  CHECK(bed.heard.back() == "cds -c");
  bed.client.want(Eds, {"a", "s"});
  CHECK(bed.said() == Words{"cds ack 2", "eds +a +s"});
  REQUIRE(bed.respond(Eds, "3", {"a=7"}));
  bed.client.want(Eds, {"a", "t"});
  CHECK(bed.said() == Words{"eds ack 3 +t -s"});
  bed.client.begin();
  CHECK(bed.said() == Words{"cds node a=1", "eds +a +t a=7"});
  // Two that come at once are answered one by one.
  REQUIRE(bed.respond(Cds, "4", {"d=1"}));
  REQUIRE(bed.respond(Cds, "5", {"e=1"}));
  CHECK(bed.said() == Words{"cds ack 4", "cds ack 5"});
}

TEST_CASE("a response that is malformed is refused whole, and nothing of it is taken") {
  for (const Variant variant : {Variant::StateOfTheWorld, Variant::Incremental}) {
    AdsClient::Limits limits;
    limits.resources_max = 3;
    Bed bed(variant, limits);
    bed.client.want_all(Cds);
    bed.client.begin();
    bed.said();
    const auto refused = [&](const Words& words, const std::string& why) {
      const auto outcome = bed.respond(Cds, "9", words);
      REQUIRE(outcome);
      CHECK_FALSE(outcome->accepted);
      CHECK_THAT(outcome->reason, Catch::Contains(why));
      CHECK(bed.said().size() == 1);
    };
    refused({"a=1", "a=1"}, "a: stands twice in the response");
    refused({"=1"}, "name");
    refused({"a=1", "b=1", "c=1", "d=1"}, "over 3 resources");
    CHECK(bed.heard.empty());
  }
}

TEST_CASE("what is no response ends the stream; what nobody asked for is not answered") {
  for (const Variant variant : {Variant::StateOfTheWorld, Variant::Incremental}) {
    Bed bed(variant);
    bed.client.want_all(Cds);
    bed.client.begin();
    bed.said();
    CHECK_FALSE(bed.client.take("\xff\xff\xff", bed.now));
    CHECK_FALSE(bed.respond(Cds, std::string(5000, 'n'), {"a=1"}));
    CHECK_FALSE(bed.respond(Cds, "1", {"a=1"}, std::string(5000, 'v')));
    const auto outcome = bed.respond(Lds, "1", {"a=1"});
    REQUIRE(outcome);
    CHECK_FALSE(outcome->type);
    CHECK(bed.said().empty());
    CHECK(bed.heard.empty());
  }
}

TEST_CASE("a resource with a time to live goes, unless it is sent or confirmed within it") {
  using std::chrono::seconds;
  for (const Variant variant : {Variant::StateOfTheWorld, Variant::Incremental}) {
    const bool whole = variant == Variant::StateOfTheWorld;
    Bed bed(variant);
    bed.client.want_all(Cds);
    bed.client.begin();
    bed.said();
    REQUIRE(bed.respond(Cds, "1", {"a=1@5", "b=1@9", "c=1"}));
    CHECK(bed.heard.back() == (whole ? "cds = +a +b +c" : "cds +a +b +c"));
    CHECK(bed.client.next_lapse() == bed.now + seconds(5));
    // A confirmation alone says nothing of others.
    bed.now += seconds(4);
    REQUIRE(bed.respond(Cds, "2", {"a=1@5?"}));
    CHECK(bed.heard.back() == "cds ~a");
    CHECK(bed.client.held(Cds).size() == 3);
    CHECK(bed.client.next_lapse() == bed.now + seconds(5));
    bed.now += seconds(5);
    bed.client.lapse(bed.now);
    CHECK(bed.heard.back() == "cds -a -b");
    CHECK(bed.client.next_lapse() == std::nullopt);
    bed.said();
    // What is not held, or in another version, cannot be confirmed.
    for (const char* word : {"a=1@5?", "c=2@5?"}) {
      const auto outcome = bed.respond(Cds, "3", {word});
      REQUIRE(outcome);
      CHECK_FALSE(outcome->accepted);
      CHECK_THAT(outcome->reason, Catch::Contains("none is held in that version"));
    }
    // Sent without one, it stays.
    REQUIRE(bed.respond(Cds, "4", {"a=2@5"}));
    REQUIRE(bed.respond(Cds, "5", {"a=3"}));
    CHECK(bed.client.next_lapse() == std::nullopt);
    // A removal ends it too.
    REQUIRE(bed.respond(Cds, "6", {"a=4@5"}));
    REQUIRE(bed.respond(Cds, "7", whole ? Words{} : Words{"-a"}));
    CHECK(bed.client.next_lapse() == std::nullopt);
    CHECK_FALSE(bed.respond(Cds, "8", {"a=4@0"})->accepted);
    CHECK_FALSE(bed.respond(Cds, "9", {"a=4@-3"})->accepted);
  }
}

}  // namespace

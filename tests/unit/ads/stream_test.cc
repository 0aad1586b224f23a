// The discovery protocol, both variants: what a client is sent, in which order, and what not.
#include "ads/stream.h"

#include <catch2/catch.hpp>

using namespace mesh;
using ads::AdsStream;
using Variant = AdsStream::Variant;

namespace {

enum : size_t { Cds, Eds, Lds, Rds };
const char* const kShort[] = {"cds", "eds", "lds", "rds"};

// A stream and its client, in words: "cds +a=1 -b" is a response.
struct Client {
  Variant variant;
  AdsStream stream;
  std::map<size_t, std::string> nonce;

  explicit Client(Variant v, AdsStream::Limits limits = {})
      : variant(v), stream(v, ads::mesh_types(), limits) {}

  void offer(size_t type, const std::string& name, const std::string& version,
             std::string body = "x") {
    stream.offer(type, name, version, std::make_shared<const std::string>(std::move(body)));
  }
  void mark(const std::string& generation = "g") {
    for (size_t type = 0; type < 4; ++type) stream.mark(type, generation);
  }

  std::string url(size_t type) const { return std::string(ads::mesh_types()[type].url); }
  // Incremental: "+" subscribes, "-" unsubscribes, "name=version" is held from before.
  AdsStream::Events ask(size_t type, const std::vector<std::string>& names = {}) {
    if (variant == Variant::StateOfTheWorld) {
      ads::pb::DiscoveryRequest request;
      request.set_type_url(url(type));
      request.set_response_nonce(nonce[type]);
      for (const auto& name : names) request.add_resource_names(name);
      return *stream.take(request);
    }
    ads::pb::DeltaDiscoveryRequest request;
    request.set_type_url(url(type));
    for (const auto& name : names) {
      if (const size_t at = name.find('='); at != std::string::npos)
        (*request.mutable_initial_resource_versions())[name.substr(0, at)] = name.substr(at + 1);
      else if (name[0] == '-')
        request.add_resource_names_unsubscribe(name.substr(1));
      else
        request.add_resource_names_subscribe(name);
    }
    return *stream.take(request);
  }
  AdsStream::Events answer(size_t type, std::string error = {}, std::string with_nonce = {},
                           const std::vector<std::string>& names = {}) {
    if (with_nonce.empty()) with_nonce = nonce[type];
    if (variant == Variant::StateOfTheWorld) {
      ads::pb::DiscoveryRequest request;
      request.set_type_url(url(type));
      request.set_response_nonce(with_nonce);
      for (const auto& name : names) request.add_resource_names(name);
      if (!error.empty()) request.mutable_error_detail()->set_message(error);
      return *stream.take(request);
    }
    ads::pb::DeltaDiscoveryRequest request;
    request.set_type_url(url(type));
    request.set_response_nonce(with_nonce);
    if (!error.empty()) request.mutable_error_detail()->set_message(error);
    return *stream.take(request);
  }
  std::string next() {
    const auto bytes = stream.next();
    if (!bytes) return "nothing";
    std::string words;
    if (variant == Variant::StateOfTheWorld) {
      ads::pb::DiscoveryResponse response;
      REQUIRE(response.ParseFromString(*bytes));
      const size_t type = *stream.find(response.type_url());
      words = kShort[type];
      nonce[type] = response.nonce();
      for (const auto& resource : response.resources()) words += " +" + resource.value();
      return words;
    }
    ads::pb::DeltaDiscoveryResponse response;
    REQUIRE(response.ParseFromString(*bytes));
    const size_t type = *stream.find(response.type_url());
    words = kShort[type];
    nonce[type] = response.nonce();
    for (const auto& resource : response.resources())
      words += " +" + resource.name() + "=" + resource.version();
    for (const auto& name : response.removed_resources()) words += " -" + name;
    return words;
  }
};

}  // namespace

TEST_CASE("ads: clusters, endpoints, then listeners and routes once those are answered", "[ads]") {
  Client c(Variant::Incremental);
  c.offer(Cds, "a", "1");
  c.offer(Eds, "a", "1");
  c.offer(Lds, "out", "1");
  c.offer(Rds, "r", "1");
  CHECK(c.ask(Cds).opened == size_t(Cds));
  CHECK(c.next() == "nothing");  // nobody has said that this is all
  c.mark();
  CHECK(c.next() == "cds +a=1");
  c.ask(Lds);
  CHECK(c.next() == "nothing");  // the clusters are not answered
  c.ask(Eds, {"a"});
  CHECK(c.next() == "eds +a=1");
  c.answer(Cds);
  CHECK(c.next() == "nothing");
  c.answer(Eds);
  CHECK(c.next() == "lds +out=1");
  c.ask(Rds, {"r"});
  CHECK(c.next() == "rds +r=1");
  c.answer(Lds);
  c.answer(Rds);
  CHECK(c.next() == "nothing");
  for (size_t type = 0; type < 4; ++type) CHECK(c.stream.settled(type) == "g");
}

TEST_CASE("ads: make before break: removals go last, clusters at the end", "[ads]") {
  Client c(Variant::Incremental);
  c.offer(Cds, "old", "1");
  c.offer(Rds, "r", "1");
  c.mark();
  c.ask(Cds);
  CHECK(c.next() == "cds +old=1");
  c.answer(Cds);
  c.ask(Rds, {"r"});
  CHECK(c.next() == "rds +r=1");
  c.answer(Rds);

  c.stream.withdraw(Cds, "old");
  c.offer(Cds, "new", "1");
  c.offer(Rds, "r", "2");
  c.mark("h");
  CHECK(c.next() == "cds +new=1");
  CHECK(c.next() == "nothing");
  c.answer(Cds);
  CHECK(c.next() == "rds +r=2");
  CHECK(c.next() == "nothing");
  c.answer(Rds);
  CHECK(c.next() == "cds -old");
  c.answer(Cds);
  CHECK(c.next() == "nothing");
  CHECK(c.stream.settled(Cds) == "h");
}

TEST_CASE("ads: make before break where each response has all clusters", "[ads]") {
  Client c(Variant::StateOfTheWorld);
  c.offer(Cds, "old", "1", "old1");
  c.offer(Rds, "r", "1", "r1");
  c.mark();
  c.ask(Cds);
  CHECK(c.next() == "cds +old1");
  c.answer(Cds);
  c.ask(Rds, {"r"});
  CHECK(c.next() == "rds +r1");
  c.answer(Rds, {}, {}, {"r"});

  c.stream.withdraw(Cds, "old");
  c.offer(Cds, "new", "1", "new1");
  c.offer(Rds, "r", "2", "r2");
  c.mark("h");
  CHECK(c.next() == "cds +new1 +old1");
  c.answer(Cds);
  CHECK(c.next() == "rds +r2");
  c.answer(Rds, {}, {}, {"r"});
  CHECK(c.next() == "cds +new1");
  c.answer(Cds);
  CHECK(c.next() == "nothing");
  CHECK(c.stream.settled(Cds) == "h");
}

TEST_CASE("ads: a long reason is cut between characters", "[ads]") {
  Client c(Variant::Incremental);
  c.offer(Cds, "a", "1", "a1");
  c.mark();
  c.ask(Cds);
  c.next();
  std::string reason = "x";
  while (reason.size() < 4000) reason += "\xc3\xa9";
  const auto events = c.answer(Cds, reason);
  CHECK(events.reason.size() == 2047);
  CHECK(events.reason == reason.substr(0, 2047));
}

TEST_CASE("ads: what is refused is not sent again before it changes", "[ads]") {
  const Variant variant = GENERATE(Variant::Incremental, Variant::StateOfTheWorld);
  const bool delta = variant == Variant::Incremental;
  Client c(variant);
  c.offer(Cds, "a", "1", "a1");
  c.offer(Cds, "b", "1", "b1");
  c.mark();
  c.ask(Cds);
  CHECK(c.next() == (delta ? "cds +a=1 +b=1" : "cds +a1 +b1"));
  const auto events = c.answer(Cds, "a: no such thing");
  CHECK(events.refused == size_t(Cds));
  CHECK(events.reason == "a: no such thing");
  CHECK(c.stream.refused(Cds).size() == 2);
  CHECK(c.next() == "nothing");
  // A client that says so for ever gets nothing for it.
  for (int i = 0; i < 1000; ++i) {
    CHECK(!c.answer(Cds, "a: no such thing").refused);
    REQUIRE(c.next() == "nothing");
  }
  c.mark("h");
  CHECK(c.next() == "nothing");
  CHECK(c.stream.settled(Cds).empty());
  c.offer(Cds, "a", "2", "a2");
  CHECK(c.next() == (delta ? "cds +a=2" : "cds +a2 +b1"));
  c.answer(Cds);
  if (!delta) CHECK(c.stream.settled(Cds) == "h");
}

TEST_CASE("ads: a stale nonce is passed over, its subscriptions are not", "[ads]") {
  Client c(Variant::Incremental);
  c.offer(Cds, "a", "1");
  c.mark();
  c.ask(Cds);
  CHECK(c.next() == "cds +a=1");
  c.answer(Cds, {}, "777");
  c.answer(Cds, "no", "0");
  c.offer(Cds, "a", "2");
  CHECK(c.next() == "nothing");  // the first is not answered
  c.answer(Cds);
  CHECK(c.next() == "cds +a=2");
}

TEST_CASE("ads: state of the world: requests of before the last response are passed over",
          "[ads]") {
  Client c(Variant::StateOfTheWorld);
  c.offer(Eds, "a", "1", "a1");
  c.offer(Eds, "b", "1", "b1");
  c.mark();
  c.ask(Eds, {"a"});
  CHECK(c.next() == "eds +a1");
  c.answer(Eds, {}, "0", {"b"});
  CHECK(c.next() == "nothing");
  c.answer(Eds, {}, {}, {"a", "b"});
  CHECK(c.next() == "eds +b1");  // what it has is not sent again
  c.answer(Eds, {}, {}, {"b"});
  c.offer(Eds, "a", "2", "a2");
  CHECK(c.next() == "nothing");
}

TEST_CASE("ads: who comes back is sent what differs from what it holds", "[ads]") {
  Client c(Variant::Incremental);
  c.offer(Cds, "a", "1");
  c.offer(Cds, "b", "2");
  c.offer(Cds, "c", "1");
  c.ask(Cds, {"*", "a=1", "b=1", "gone=1"});
  CHECK(c.next() == "nothing");  // a source that knows nothing yet takes nothing away
  c.mark();
  CHECK(c.next() == "cds +b=2 +c=1");
  c.answer(Cds);
  CHECK(c.next() == "cds -gone");
  c.answer(Cds);
  CHECK(c.next() == "nothing");
}

TEST_CASE("ads: who comes back by name is not sent what it holds", "[ads]") {
  Client c(Variant::Incremental);
  c.offer(Eds, "a", "1");
  c.offer(Eds, "b", "2");
  c.mark();
  c.ask(Eds, {"a", "b", "gone", "a=1", "b=1", "gone=1"});
  CHECK(c.next() == "eds +b=2");
  c.answer(Eds);
  CHECK(c.next() == "eds -gone");
}

TEST_CASE("ads: subscriptions by name, to what is not there, and their end", "[ads]") {
  Client c(Variant::Incremental);
  c.offer(Rds, "r", "1");
  c.offer(Rds, "other", "1");
  c.mark();
  c.ask(Rds, {"r", "absent"});
  CHECK(c.next() == "rds +r=1");
  c.answer(Rds);
  CHECK(c.next() == "rds -absent");
  c.answer(Rds);
  CHECK(c.next() == "nothing");
  // It comes later.
  c.offer(Rds, "absent", "1");
  CHECK(c.next() == "rds +absent=1");
  c.answer(Rds);
  // Subscribing anew has it sent anew.
  c.ask(Rds, {"r"});
  CHECK(c.next() == "rds +r=1");
  c.answer(Rds);
  c.ask(Rds, {"-r"});
  c.offer(Rds, "r", "2");
  CHECK(c.next() == "nothing");
  CHECK(!c.stream.wants(Rds, "r"));
}

TEST_CASE("ads: the wildcard, old and new", "[ads]") {
  Client legacy(Variant::Incremental);
  legacy.offer(Lds, "a", "1");
  legacy.mark();
  legacy.ask(Lds);
  CHECK(legacy.next() == "lds +a=1");
  legacy.answer(Lds);
  // A name beside it changes nothing of it; its end is told how the resource is.
  legacy.ask(Lds, {"a"});
  CHECK(legacy.next() == "lds +a=1");
  legacy.answer(Lds);
  legacy.ask(Lds, {"-a"});
  CHECK(legacy.next() == "lds +a=1");
  legacy.answer(Lds);
  legacy.ask(Lds, {"-*"});
  legacy.offer(Lds, "a", "2");
  CHECK(legacy.next() == "nothing");

  Client nothing(Variant::Incremental);
  nothing.mark();
  nothing.ask(Lds);
  CHECK(nothing.next() == "lds");  // it learns that there is none, and starts
  nothing.ask(Eds);                // no wildcard there
  nothing.offer(Eds, "a", "1");
  CHECK(nothing.next() == "nothing");

  Client world(Variant::StateOfTheWorld);
  world.offer(Lds, "a", "1", "a1");
  world.offer(Lds, "b", "1", "b1");
  world.mark();
  world.ask(Lds);
  CHECK(world.next() == "lds +a1 +b1");
  world.answer(Lds, {}, {}, {"a"});
  CHECK(world.next() == "lds +a1");
  // Who has named something and names nothing wants nothing.
  world.answer(Lds);
  world.offer(Lds, "a", "2", "a2");
  CHECK(world.next() == "nothing");
}

TEST_CASE("ads: a cluster that changes has its endpoints sent again", "[ads]") {
  const Variant variant = GENERATE(Variant::Incremental, Variant::StateOfTheWorld);
  const bool delta = variant == Variant::Incremental;
  Client c(variant);
  c.offer(Cds, "a", "1", "a1");
  c.offer(Cds, "b", "1", "b1");
  c.offer(Eds, "a", "1", "ea");
  c.offer(Eds, "b", "1", "eb");
  c.mark();
  c.ask(Cds);
  c.next();
  c.answer(Cds);
  c.ask(Eds, {"a", "b"});
  CHECK(c.next() == (delta ? "eds +a=1 +b=1" : "eds +ea +eb"));
  // Also while the endpoints are on their way.
  c.offer(Cds, "a", "2", "a2");
  CHECK(c.next() == (delta ? "cds +a=2" : "cds +a2 +b1"));
  CHECK(c.next() == "nothing");
  c.answer(Cds);
  c.answer(Eds, {}, {}, {"a", "b"});
  CHECK(c.next() == (delta ? "eds +a=1" : "eds +ea"));
  c.answer(Eds, {}, {}, {"a", "b"});
  CHECK(c.next() == "nothing");
}

TEST_CASE("ads: a slow client holds one response a type, and gets the last state", "[ads]") {
  Client c(Variant::Incremental);
  c.offer(Eds, "a", "0");
  c.mark();
  c.ask(Eds, {"a"});
  CHECK(c.next() == "eds +a=0");
  for (int i = 1; i <= 1000; ++i) c.offer(Eds, "a", std::to_string(i));
  CHECK(c.next() == "nothing");
  c.answer(Eds);
  CHECK(c.next() == "eds +a=1000");
}

TEST_CASE("ads: endpoints that change all the time do not keep routes back for ever", "[ads]") {
  Client c(Variant::Incremental);
  c.offer(Eds, "a", "0");
  c.offer(Rds, "r", "1");
  c.mark();
  c.ask(Eds, {"a"});
  c.ask(Rds, {"r"});
  std::string said = c.next();
  for (int i = 1; i <= 40 && said.starts_with("eds"); ++i) {
    c.offer(Eds, "a", std::to_string(i));
    c.answer(Eds);
    said = c.next();
  }
  CHECK(said == "rds +r=1");
}

TEST_CASE("ads: responses are cut, and the rest follows the answer", "[ads]") {
  Client c(Variant::Incremental, {.names_max = 100, .name_bytes_max = 8, .response_bytes_max = 10});
  c.offer(Cds, "a", "1", "12345678");
  c.offer(Cds, "b", "1", "12345678");
  c.mark();
  c.ask(Cds);
  CHECK(c.next() == "cds +a=1");
  CHECK(c.next() == "nothing");
  CHECK(c.stream.settled(Cds).empty());
  c.answer(Cds);
  CHECK(c.next() == "cds +b=1");
}

TEST_CASE("ads: what no client means is an error, and unknown types are passed over", "[ads]") {
  Client c(Variant::Incremental, {.names_max = 3, .name_bytes_max = 8, .response_bytes_max = 10});
  ads::pb::DeltaDiscoveryRequest request;
  request.set_type_url("type.googleapis.com/google.protobuf.Empty");
  CHECK(c.stream.take(request)->unknown_type == "type.goo");
  request.set_type_url(c.url(Eds));
  request.add_resource_names_subscribe("");
  CHECK(c.stream.take(request).error().kind == Errc::Invalid);
  request.set_resource_names_subscribe(0, "longer than that");
  CHECK(c.stream.take(request).error().kind == Errc::Invalid);
  request.clear_resource_names_subscribe();
  for (int i = 0; i < 4; ++i) request.add_resource_names_subscribe(std::to_string(i));
  CHECK(c.stream.take(request).error().kind == Errc::TooBig);
}

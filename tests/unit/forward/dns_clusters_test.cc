#include "forward/dns_clusters.h"

#include <catch2/catch.hpp>

#include <mutex>

#include "support/wait.h"

namespace {

using namespace mesh;
using Discovery = xds::Cluster::Discovery;
using Family = xds::Dns::Family;
using net::Address;
using std::chrono::milliseconds;

// A resolver's answers by name, changed while it runs.
class Names {
 public:
  void set(const std::string& name, std::vector<std::string> addresses) {
    const std::lock_guard lock(mutex_);
    answers_[name] = std::move(addresses);
  }
  size_t asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  net::Resolver::Lookup lookup() {
    return [this](const std::string& name) -> Result<net::Resolver::Addresses> {
      const std::lock_guard lock(mutex_);
      ++asked_;
      const auto found = answers_.find(name);
      if (found == answers_.end()) return Error{Errc::NotFound, "no " + name};
      net::Resolver::Addresses out;
      for (const auto& text : found->second) out.push_back(*Address::ip(text, 0));
      return out;
    };
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> answers_;
  size_t asked_ = 0;
};

xds::Config config(Discovery discovery, std::vector<std::string> hosts,
                   Family family = Family::Auto) {
  auto cluster = std::make_shared<xds::Cluster>();
  cluster->name = "svc";
  cluster->discovery = discovery;
  cluster->dns = {.family = family,
                  .refresh = milliseconds(10),
                  .failure_first = milliseconds(10),
                  .failure_most = milliseconds(20)};
  auto assignment = std::make_shared<xds::ClusterLoadAssignment>();
  assignment->cluster_name = "svc";
  for (const auto& host : hosts) {
    xds::Endpoint endpoint;
    endpoint.address = {.host = host, .port = 80, .path = {}};
    endpoint.weight = 3;
    assignment->endpoints.push_back(endpoint);
  }
  cluster->load_assignment = assignment;
  xds::Config out;
  out.clusters["svc"] = cluster;
  return out;
}

struct Bench {
  Names names;
  event::Loop loop;
  size_t changes = 0;
  forward::DnsClusters dns{loop, [this] { ++changes; }, names.lookup()};

  std::string text() const {
    std::string out;
    if (const auto assignment = dns.assignment("svc"))
      for (const auto& e : assignment->endpoints)
        out += (out.empty() ? "" : " ") + xds::to_string(e.address);
    return out;
  }
  bool until(const std::string& expected) {
    return support::run_until(loop, [&] { return text() == expected; });
  }
};

TEST_CASE("dns clusters: names become addresses, of the family asked for") {
  struct Row {
    Discovery discovery;
    Family family;
    std::string expected;
  };
  const auto row = GENERATE(values<Row>({
      {Discovery::StrictDns, Family::V4Only, "10.0.0.1:80 10.0.0.2:80"},
      {Discovery::StrictDns, Family::V6Only, "[fd00::1]:80"},
      {Discovery::StrictDns, Family::V4Preferred, "10.0.0.1:80 10.0.0.2:80"},
      {Discovery::StrictDns, Family::Auto, "[fd00::1]:80"},
      {Discovery::StrictDns, Family::All, "10.0.0.1:80 10.0.0.2:80 [fd00::1]:80"},
      {Discovery::LogicalDns, Family::V4Only, "10.0.0.2:80"},
  }));
  Bench bench;
  bench.names.set("db", {"10.0.0.2", "fd00::1", "10.0.0.1", "10.0.0.2"});
  bench.dns.set(config(row.discovery, {"db"}, row.family));
  CHECK_FALSE(bench.dns.resolved("svc"));
  CHECK(bench.until(row.expected));
  CHECK(bench.dns.resolved("svc"));
  const auto assignment = bench.dns.assignment("svc");
  CHECK(assignment->endpoints[0].hostname == "db");
  CHECK(assignment->endpoints[0].weight == 3);
}

TEST_CASE("dns clusters: answers are followed, failures are not") {
  Bench bench;
  bench.names.set("db", {"10.0.0.1"});
  bench.dns.set(config(Discovery::StrictDns, {"db", "127.0.0.1"}));
  REQUIRE(bench.until("10.0.0.1:80 127.0.0.1:80"));
  const auto before = bench.dns.assignment("svc");
  const size_t changes = bench.changes;
  // The same answer again changes nothing.
  const size_t asked = bench.names.asked();
  REQUIRE(support::run_until(bench.loop, [&] { return bench.names.asked() > asked + 2; }));
  CHECK(bench.dns.assignment("svc") == before);
  CHECK(bench.changes == changes);

  bench.names.set("db", {"10.0.0.9", "10.0.0.1"});
  REQUIRE(bench.until("10.0.0.1:80 10.0.0.9:80 127.0.0.1:80"));
  bench.names.set("db", {});  // nothing: the last good ones stay
  const size_t then = bench.names.asked();
  REQUIRE(support::run_until(bench.loop, [&] { return bench.names.asked() > then + 2; }));
  CHECK(bench.text() == "10.0.0.1:80 10.0.0.9:80 127.0.0.1:80");
}

TEST_CASE("dns clusters: a name that nobody knows counts as resolved after its failure") {
  Bench bench;
  bench.dns.set(config(Discovery::StrictDns, {"nowhere"}));
  CHECK_FALSE(bench.dns.resolved("svc"));
  REQUIRE(support::run_until(bench.loop, [&] { return bench.dns.resolved("svc"); }));
  CHECK(bench.changes == 1);
  CHECK(bench.text().empty());
  // A configuration that keeps the name keeps what is known of it.
  bench.names.set("nowhere", {"10.0.0.1"});
  REQUIRE(bench.until("10.0.0.1:80"));
  bench.dns.set(config(Discovery::StrictDns, {"nowhere"}));
  CHECK(bench.dns.resolved("svc"));
  CHECK(bench.text() == "10.0.0.1:80");
  bench.dns.set(xds::Config());
  CHECK(bench.dns.assignment("svc") == nullptr);
  CHECK(bench.dns.resolved("svc"));  // it has no names to wait for
}

}  // namespace

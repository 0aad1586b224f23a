// statsd as a process: what forwarders report is on its page and in its
// answers, also after it was killed.

#include <signal.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <regex>

#include "bus/call_blocking.h"
#include "bus/client.h"
#include "client/stats_client.h"
#include "mesh/statsd.pb.h"
#include "net/address.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/wait.h"

using namespace mesh;
using namespace std::chrono_literals;
using telemetry::Label;

namespace {

struct Statsd {
  support::TempDir dir;
  std::unique_ptr<support::Process> process;
  net::Address page;

  explicit Statsd(const std::string& settings = "prometheus: 127.0.0.1:0\n") {
    dir.write("etc/statsd.yaml", settings);
    start();
  }

  void start() {
    process = std::make_unique<support::Process>(std::vector<std::string>{
        support::program("statsd"), "--run-dir", dir.file("run"), "--state-dir", dir.file("state"),
        "--config-dir", dir.file("etc")});
    if (!process->wait_err("ready")) FAIL(process->err());
    std::smatch found;
    const std::string log = process->err();
    if (std::regex_search(log, found, std::regex("address=(127\\.0\\.0\\.1:[0-9]+)")))
      page = *net::Address::parse(found[1].str());
  }

  void kill() {
    process->signal(SIGKILL);
    REQUIRE(process->wait_exit());
  }

  std::string socket() const { return dir.file("run/statsd.sock"); }

  std::string request(const std::string& text) const {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{10, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::connect(fd.get(), page.data(), page.size()) != 0) return "";
    if (::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) != ssize_t(text.size())) return "";
    std::string answer;
    char bytes[4096];
    for (ssize_t n = 0; (n = ::recv(fd.get(), bytes, sizeof bytes, 0)) > 0;)
      answer.append(bytes, size_t(n));
    return answer;
  }
  std::string metrics() const { return request("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); }

  statsd::v1::TotalsReply totals() const {
    auto reply =
        bus::call_blocking<statsd::v1::TotalsReply>(socket(), statsd::v1::TotalsRequest(), 10s);
    if (!reply) FAIL(reply.error().text);
    return *reply;
  }
};

// One forwarder, as far as statsd can tell.
struct Reporter {
  event::Loop& loop;
  bus::Client bus;
  client::StatsClient client;
  telemetry::Registry registry;
  telemetry::Scope& scope;

  Reporter(event::Loop& l, const Statsd& statsd, const std::string& workload, uint64_t boot)
      : loop(l),
        bus(l, statsd.socket()),
        client(bus, workload + "@host", boot),
        scope(registry.scope(labels(workload))) {}

  static telemetry::Labels labels(const std::string& workload) {
    telemetry::Labels labels;
    labels[Label::Reporter] = "source";
    labels[Label::SourceWorkload] = workload;
    labels[Label::DestinationService] = "reviews";
    return labels;
  }

  void count(int requests, uint16_t status = 200) {
    telemetry::RequestFacts facts;
    facts.status = status;
    facts.duration = 3ms;
    for (int i = 0; i < requests; ++i) scope.record(facts);
  }

  void report() {
    telemetry::Snapshot totals;
    registry.collect(totals);
    client.report(totals);
  }

  // Turns the loop until statsd answers with that many requests in all.
  bool seen(const Statsd& statsd, uint64_t want) {
    const auto deadline = std::chrono::steady_clock::now() + 15s;
    uint64_t requests = 0;
    while (requests != want && std::chrono::steady_clock::now() < deadline) {
      report();
      for (int turn = 0; turn < 5; ++turn) loop.run_once(20ms);
      requests = 0;
      const auto totals = statsd.totals();
      for (const auto& pair : totals.pairs()) requests += pair.requests();
    }
    return requests == want;
  }
};

}  // namespace

TEST_CASE("scenario: statsd counts what is reported, on its page and on the bus", "[statsd]") {
  const Statsd statsd;
  event::Loop loop;
  Reporter web(loop, statsd, "web", 7);
  web.count(90);
  web.count(10, 503);
  REQUIRE(web.seen(statsd, 100));

  const auto reply = statsd.totals();
  REQUIRE(reply.pairs_size() == 1);
  CHECK(reply.pairs(0).source() == "web");
  CHECK(reply.pairs(0).destination() == "reviews");
  CHECK(reply.pairs(0).failures() == 10);
  REQUIRE(reply.sources_size() == 1);
  CHECK(reply.sources(0).name() == "web@host");
  CHECK(reply.sources(0).requests_sent() == 100);
  CHECK(reply.prometheus() == statsd.page.to_string());

  const std::string page = statsd.metrics();
  CHECK_THAT(page, Catch::StartsWith("HTTP/1.1 200 OK\r\n"));
  CHECK_THAT(page, Catch::Contains("Content-Type: text/plain; version=0.0.4"));
  CHECK(std::regex_search(
      page, std::regex("istio_requests_total\\{[^}]*response_code=\"503\"[^}]*\\} 10\n")));
}

TEST_CASE("scenario: statsd remembers over kill -9 and the next report heals the rest",
          "[statsd]") {
  Statsd statsd;
  event::Loop loop;
  {
    Reporter gone(loop, statsd, "gone", 1);
    gone.count(11);
    REQUIRE(gone.seen(statsd, 11));
  }
  // Its end is written soon, since nobody will say it again.
  REQUIRE(support::wait_for(
      [&] { return std::filesystem::exists(statsd.dir.file("state/statsd/totals")); }));
  Reporter web(loop, statsd, "web", 7);
  web.count(30);
  REQUIRE(web.seen(statsd, 41));
  statsd.kill();
  web.count(5);  // while it is away
  statsd.start();
  CHECK(web.seen(statsd, 46));
  CHECK_THAT(statsd.process->err(), Catch::Contains("totals restored"));
}

TEST_CASE("scenario: a state file of another kind is set aside", "[statsd]") {
  Statsd statsd;
  statsd.kill();
  statsd.dir.write("state/statsd/totals", "\xff\xff\xff garbage");
  statsd.start();
  CHECK_THAT(statsd.process->err(), Catch::Contains("cannot be restored"));
  CHECK(std::filesystem::exists(statsd.dir.file("state/statsd/totals.bad")));
  CHECK(statsd.totals().pairs_size() == 0);
}

TEST_CASE("scenario: the page refuses what is no request for it", "[statsd]") {
  const Statsd statsd;
  struct Row {
    std::string request;
    const char* answer;
  };
  const std::string host = "Host: x\r\n\r\n";
  const Row rows[] = {
      {"GET /ready HTTP/1.1\r\n" + host, "HTTP/1.1 200"},
      {"HEAD /metrics HTTP/1.1\r\n" + host, "HTTP/1.1 200"},
      {"GET /other HTTP/1.1\r\n" + host, "HTTP/1.1 404"},
      {"POST /metrics HTTP/1.1\r\n" + host, "HTTP/1.1 405"},
      {"GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
      {"nonsense\r\n\r\n", "HTTP/1.1 400"},
      {"GET /metrics HTTP/1.1\r\nX: " + std::string(9000, 'a'), "HTTP/1.1 431"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.request.substr(0, 40));
    CHECK_THAT(statsd.request(row.request), Catch::StartsWith(row.answer));
  }
}

TEST_CASE("scenario: a taken port ends statsd with a word about it", "[statsd]") {
  const Statsd first;
  support::TempDir dir;
  dir.write("etc/statsd.yaml", "prometheus: " + first.page.to_string() + "\n");
  support::Process second({support::program("statsd"), "--run-dir", dir.file("run"), "--state-dir",
                           dir.file("state"), "--config-dir", dir.file("etc")});
  const auto status = second.wait_exit();
  REQUIRE(status);
  CHECK(*status != 0);
  CHECK_THAT(second.err(),
             Catch::Contains("prometheus") && Catch::Contains(first.page.to_string()));
}

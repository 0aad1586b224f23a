// certd as a process, and CertClient as its workload: enrolment, renewal, and
// what outlives whom.

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "base/file.h"
#include "bus/call_blocking.h"
#include "bus/client.h"
#include "ca/tokens.h"
#include "client/cert_client.h"
#include "mesh/certd.pb.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/wait.h"

using namespace mesh;
using namespace std::chrono_literals;
using client::CertClient;

namespace {

struct Host {
  support::TempDir dir;
  std::unique_ptr<support::Process> certd;

  explicit Host(const std::string& settings) { dir.write("etc/certd.yaml", settings); }

  void start() {
    certd = std::make_unique<support::Process>(std::vector<std::string>{
        support::program("certd"), "--run-dir", dir.file("run"), "--state-dir", dir.file("state"),
        "--config-dir", dir.file("etc"), "--user", "root"});
    REQUIRE(certd->wait_err("ready"));
  }
  void kill() {
    certd->signal(SIGKILL);
    REQUIRE(certd->wait_exit());
  }
  // A token file for `account`, and its path.
  std::string token(const std::string& account) const {
    const auto secret = ca::make_token(dir.file("state/certd/tokens"), account, "default", account);
    REQUIRE(secret);
    REQUIRE(file::write(dir.file(account + ".token"), *secret + "\n", 0600));
    return dir.file(account + ".token");
  }
};

// A workload's end, in a state directory that may outlive it.
struct Workload {
  event::Loop loop;
  SystemClock clock;
  bus::Client bus;
  std::vector<std::string> serials;
  std::string identity;
  std::unique_ptr<CertClient> certs;

  Workload(const Host& host, const std::string& name, const std::string& token_file,
           const std::string& account = "")
      : bus(loop, host.dir.file("run/certd.sock")) {
    const std::string state = host.dir.file("workload-" + name);
    ::mkdir(state.c_str(), 0700);
    certs = std::make_unique<CertClient>(
        bus, loop, clock,
        CertClient::Options{.state_dir = state,
                            .name = name + "@test",
                            .token_file = token_file,
                            .workload_namespace = "",
                            .service_account = account},
        [this](const identity::Svid& svid, const identity::TrustBundle& bundle) {
          CHECK(bundle.verify(svid.chain(), clock.wall()));
          identity = svid.id().uri();
          if (serials.empty() || serials.back() != svid.leaf().serial())
            serials.push_back(svid.leaf().serial());
        });
    REQUIRE(certs->start());
  }
  bool until(size_t certificates, std::chrono::milliseconds limit = 15s) {
    return support::run_until(
        loop, [&] { return serials.size() >= certificates; }, limit);
  }
};

}  // namespace

TEST_CASE("scenario: a token enrols once, renewal needs none and outlives certd", "[certd]") {
  Host host("leaf_lifetime: 2s\n");
  host.start();
  const std::string token = host.token("web");
  Workload web(host, "web", token);
  REQUIRE(web.until(1));
  CHECK(web.identity == "spiffe://cluster.local/ns/default/sa/web");
  REQUIRE(web.until(3));

  host.kill();
  host.start();
  const size_t before = web.serials.size();
  REQUIRE(web.until(before + 2));
  CHECK(web.certs->trouble().empty());

  // The same token gives nothing to another key.
  Workload thief(host, "thief", token);
  REQUIRE(support::run_until(thief.loop, [&] { return !thief.certs->trouble().empty(); }));
  CHECK_THAT(thief.certs->trouble(), Catch::Contains("unknown or was used before"));
  CHECK(thief.serials.empty());
}

TEST_CASE("scenario: a workload starts from disk while certd is away", "[certd]") {
  Host host("leaf_lifetime: 1h\n");
  host.start();
  const std::string token = host.token("web");
  std::string serial;
  {
    Workload web(host, "web", token);
    REQUIRE(web.until(1));
    serial = web.serials.back();
  }
  host.kill();
  Workload again(host, "web", token);
  REQUIRE(again.serials.size() == 1);
  CHECK(again.serials.back() == serial);

  struct stat status {};
  REQUIRE(::stat(host.dir.file("workload-web/svid.key").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
}

TEST_CASE("scenario: a certd that lost its state is enrolled with anew", "[certd]") {
  Host host("leaf_lifetime: 1h\n");
  host.start();
  Workload web(host, "web", host.token("web"));
  REQUIRE(web.until(1));
  host.kill();
  std::filesystem::remove_all(host.dir.file("state"));
  host.start();
  const std::string token = host.token("web");
  REQUIRE(web.until(2));
  CHECK(web.identity == "spiffe://cluster.local/ns/default/sa/web");
  REQUIRE(web.certs->bundle());
  CHECK(web.certs->bundle()->verify(web.certs->svid()->chain(), web.clock.wall()));
}

TEST_CASE("scenario: a rule gives its uid an identity, and takes it back", "[certd]") {
  const std::string uid = std::to_string(::geteuid());
  const std::string rule =
      "identities: [{uid: " + uid + ", namespace: shop, service_account: till}]\n";
  Host host("leaf_lifetime: 2s\n" + rule);
  host.start();
  Workload till(host, "till", "");
  REQUIRE(till.until(2));
  CHECK(till.identity == "spiffe://cluster.local/ns/shop/sa/till");

  host.dir.write("etc/certd.yaml", "leaf_lifetime: 2s\n");
  host.certd->signal(SIGHUP);
  REQUIRE(host.certd->wait_err("settings read anew"));
  REQUIRE(support::run_until(till.loop, [&] { return !till.certs->trouble().empty(); }));
  CHECK_THAT(till.certs->trouble(), Catch::Contains("no identity for uid " + uid));
}

TEST_CASE("scenario: an identity that the settings do not say is not used", "[certd]") {
  Host host("leaf_lifetime: 1h\n");
  host.start();
  Workload web(host, "web", host.token("other"), "web");
  REQUIRE(support::run_until(web.loop, [&] { return !web.certs->trouble().empty(); }));
  CHECK_THAT(web.certs->trouble(), Catch::Contains("/sa/other"));
  CHECK(web.serials.empty());
}

TEST_CASE("scenario: wrong settings are told by their key", "[certd]") {
  struct Row {
    const char* because;
    std::string settings;
    std::string want;
  };
  const Row rows[] = {
      {"a key that is none", "leaf_lifetme: 1h\n", "certd.yaml:1:1"},
      {"a life too short", "leaf_lifetime: 100ms\n", "leaf_lifetime: expected whole seconds"},
      {"a life too long", "leaf_lifetime: 9000h\n", "leaf_lifetime: expected whole seconds"},
      {"a domain that is none", "trust_domain: Big/Co\n", "trust_domain: "},
      {"a rule for nobody", "identities: [{namespace: a, service_account: b}]\n",
       "identities[0]: expected either uid or user"},
      {"two rules for one",
       "identities: [{uid: 5, namespace: a, service_account: b},"
       " {uid: 5, namespace: a, service_account: c}]\n",
       "identities[1]: uid 5 has an identity already"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      support::TempDir dir;
      const std::string path = dir.write("certd.yaml", row.settings);
      const auto ran = support::run({support::program("certd"), "-n", "-c", path});
      CHECK(ran.status == 78);
      CHECK_THAT(ran.err, Catch::Contains(row.want));
    }
  }
}

TEST_CASE("scenario: a workload of a host that joins is signed when the host's issuer is",
          "[certd]") {
  Host root("leaf_lifetime: 1h\n");
  Host host("authority: intermediate\nleaf_lifetime: 1h\n");
  root.start();
  host.start();
  Workload web(host, "web", host.token("web"));
  REQUIRE(support::run_until(web.loop, [&] { return !web.certs->trouble().empty(); }));
  CHECK_THAT(web.certs->trouble(), Catch::Contains("not signed yet"));

  const auto ask = [](const Host& where, const auto& request, auto reply) {
    auto answer =
        bus::call_blocking<decltype(reply)>(where.dir.file("run/certd.sock"), request, 5s);
    REQUIRE(answer);
    return *answer;
  };
  namespace msg = mesh::certd::v1;
  const auto install = [&](const char* ns) {
    msg::SignIssuerRequest sign;
    sign.set_csr_der(ask(host, msg::IssuerRequest(), msg::IssuerReply()).csr_der());
    sign.add_namespaces(ns);
    sign.set_lifetime_seconds(3600);
    const auto chain = ask(root, sign, msg::SignIssuerReply());
    msg::InstallIssuerRequest take;
    *take.mutable_chain_der() = chain.chain_der();
    *take.mutable_root_der() = chain.root_der();
    CHECK(ask(host, take, msg::InstallIssuerReply()).changed());
    CHECK_FALSE(ask(host, take, msg::InstallIssuerReply()).changed());
  };
  install("default");
  REQUIRE(web.until(1));
  CHECK(web.identity == "spiffe://cluster.local/ns/default/sa/web");

  // A workload of the root's host believes it, and the reverse.
  Workload peer(root, "peer", root.token("peer"));
  REQUIRE(peer.until(1));
  CHECK(peer.certs->bundle()->verify(web.certs->svid()->chain(), web.clock.wall()));
  CHECK(web.certs->bundle()->verify(peer.certs->svid()->chain(), web.clock.wall()));
  CHECK(web.certs->svid()->chain().size() == 2);

  // Signed anew: what is served goes on, with the same identity.
  install("default");
  host.kill();
  host.start();
  Workload later(host, "later", host.token("later"));
  REQUIRE(later.until(1));
}

// The client, a mirror and a lease against a small etcd on the same loop.
#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <optional>

#include "etcd/keys.h"
#include "etcd/lease.h"
#include "etcd/mirror.h"
#include "grpc/server.h"
#include "net/socket.h"
#include "support/temp_dir.h"

using namespace mesh;
using namespace std::chrono_literals;
namespace pb = etcdserverpb;

namespace {

// One member. It keeps the last value of each key, and the history since `compacted`.
class Member {
 public:
  struct Watcher {
    grpc::ServerCall* call = nullptr;
    std::string prefix;
  };

  Member(event::Loop& loop, const std::string& path) : server_(loop, {}) {
    auto fd = *net::listen(*net::Address::parse(path), {});
    address = net::Address::local_of(fd.get());
    REQUIRE(server_.serve(std::make_shared<const net::ListenSocket>(std::move(fd), address)));
    server_.add("/etcdserverpb.KV/Range",
                [this](auto& call) { return std::make_unique<Range>(*this, call); });
    server_.add("/etcdserverpb.Watch/Watch",
                [this](auto& call) { return std::make_unique<Watch>(*this, call); });
    server_.add_unary("/etcdserverpb.Auth/Authenticate", [this](auto bytes, auto&) {
      pb::AuthenticateRequest request;
      REQUIRE(request.ParseFromArray(bytes.data(), int(bytes.size())));
      if (request.password() != "secret")
        return Result<std::string>(Error{Errc::Invalid, "etcdserver: authentication failed"});
      pb::AuthenticateResponse reply;
      token = "token" + std::to_string(++logins);
      reply.set_token(token);
      return Result<std::string>(reply.SerializeAsString());
    });
    server_.add_unary("/etcdserverpb.Lease/LeaseGrant", [this](auto, auto&) {
      pb::LeaseGrantResponse reply;
      reply.set_id(lease = ++leases);
      return Result<std::string>(reply.SerializeAsString());
    });
    server_.add_unary("/etcdserverpb.Lease/LeaseRevoke", [this](auto, auto&) {
      lease = 0;
      return Result<std::string>(pb::LeaseRevokeResponse().SerializeAsString());
    });
    server_.add("/etcdserverpb.Lease/LeaseKeepAlive",
                [this](auto& call) { return std::make_unique<Keep>(*this, call); });
  }

  net::Address address;

  void put(const std::string& key, const std::string& value) {
    values[key] = value;
    tell(key, &value, false);
  }
  void erase(const std::string& key) {
    values.erase(key);
    tell(key, nullptr, false);
  }
  // Two keys at one revision, in two parts.
  void put_in_parts(const std::string& a, const std::string& b, const std::string& value) {
    values[a] = values[b] = value;
    tell(a, &value, true);
    --revision;
    tell(b, &value, false);
  }
  void end_watches(grpc::Status status) {
    for (const auto& watcher : std::exchange(watchers, {})) watcher.call->finish(status);
  }

  std::map<std::string, std::string> values;
  int64_t revision = 10;
  int64_t compacted = 0;
  uint64_t cluster = 7;
  bool leaderless = false;
  std::string token;  // not empty: asked for
  int logins = 0;
  int64_t lease = 0;
  int64_t leases = 0;
  int renewals = 0;
  int ranges = 0;
  std::vector<Watcher> watchers;

 private:
  struct Handler : grpc::CallHandler {
    Handler(Member& m, grpc::ServerCall& c) : member(m), call(c) {}
    void on_half_close() override {}
    bool refused() {
      if (member.leaderless)
        call.finish({grpc::Code::Unavailable, "etcdserver: no leader"});
      else if (!member.token.empty() && grpc::find(call.metadata(), "token") != member.token)
        call.finish({grpc::Code::Unauthenticated, "etcdserver: invalid auth token"});
      else
        return false;
      return true;
    }
    Member& member;
    grpc::ServerCall& call;
  };
  struct Range final : Handler {
    using Handler::Handler;
    void on_message(std::string_view bytes) override {
      ++member.ranges;
      if (refused()) return;
      pb::RangeRequest request;
      REQUIRE(request.ParseFromArray(bytes.data(), int(bytes.size())));
      pb::RangeResponse reply;
      reply.mutable_header()->set_revision(member.revision);
      reply.mutable_header()->set_cluster_id(member.cluster);
      for (auto at = member.values.lower_bound(request.key());
           at != member.values.end() && at->first < request.range_end(); ++at) {
        if (reply.kvs_size() == request.limit()) {
          reply.set_more(true);
          break;
        }
        auto& kv = *reply.add_kvs();
        kv.set_key(at->first);
        kv.set_value(at->second);
      }
      call.send(reply.SerializeAsString());
      call.finish({});
    }
  };
  struct Watch final : Handler {
    using Handler::Handler;
    void on_message(std::string_view bytes) override {
      if (refused()) return;
      CHECK(grpc::find(call.metadata(), "hasleader") == "true");
      pb::WatchRequest request;
      REQUIRE(request.ParseFromArray(bytes.data(), int(bytes.size())));
      const auto& create = request.create_request();
      pb::WatchResponse reply;
      reply.mutable_header()->set_revision(member.revision);
      reply.mutable_header()->set_cluster_id(member.cluster);
      reply.set_created(true);
      call.send(reply.SerializeAsString());
      if (create.start_revision() <= member.compacted) {
        reply.set_created(false);
        reply.set_canceled(true);
        reply.set_compact_revision(member.compacted);
        call.send(reply.SerializeAsString());
        return;
      }
      member.watchers.push_back({&call, create.key()});
    }
    void on_cancelled(const grpc::Status&) override {
      std::erase_if(member.watchers, [&](const auto& each) { return each.call == &call; });
    }
  };
  struct Keep final : Handler {
    using Handler::Handler;
    void on_message(std::string_view bytes) override {
      pb::LeaseKeepAliveRequest request;
      REQUIRE(request.ParseFromArray(bytes.data(), int(bytes.size())));
      ++member.renewals;
      pb::LeaseKeepAliveResponse reply;
      reply.set_id(request.id());
      reply.set_ttl(request.id() == member.lease ? 3 : 0);
      call.send(reply.SerializeAsString());
    }
  };

  void tell(const std::string& key, const std::string* value, bool fragment) {
    ++revision;
    pb::WatchResponse reply;
    reply.mutable_header()->set_revision(revision);
    reply.mutable_header()->set_cluster_id(cluster);
    reply.set_fragment(fragment);
    auto& event = *reply.add_events();
    event.set_type(value ? mvccpb::Event::PUT : mvccpb::Event::DELETE);
    event.mutable_kv()->set_key(key);
    event.mutable_kv()->set_mod_revision(revision);
    if (value) event.mutable_kv()->set_value(*value);
    for (const auto& watcher : watchers)
      if (key.starts_with(watcher.prefix)) watcher.call->send(reply.SerializeAsString());
  }

  grpc::Server server_;
};

struct Bench : etcd::Mirror::Owner, etcd::Lease::Owner {
  event::Loop loop;
  support::TempDir dir;
  Member first{loop, dir.path() + "/1"};
  Member second{loop, dir.path() + "/2"};
  std::vector<std::string> heard;  // changed keys with commas, or "down: ..."
  std::vector<std::string> leases;
  std::unique_ptr<etcd::Mirror> mirror;
  std::unique_ptr<etcd::Lease> lease;
  std::unique_ptr<etcd::Client> client;

  explicit Bench(etcd::Client::Options options = {}, size_t keys_max = 100'000) {
    options.endpoints = {*net::Address::parse(dir.path() + "/1"),
                         *net::Address::parse(dir.path() + "/2")};
    client = std::make_unique<etcd::Client>(loop, options);
    etcd::Mirror::Options of;
    of.prefix = "/m/";
    of.keys_max = keys_max;
    of.pause_min = 1ms;
    of.pause_max = 5ms;
    mirror = std::make_unique<etcd::Mirror>(loop, *client, of, *this);
    lease = std::make_unique<etcd::Lease>(loop, *client, 3s, *this);
  }
  ~Bench() { client.reset(); }
  void on_values(etcd::Mirror&, const std::set<std::string>& changed) override {
    std::string line;
    for (const auto& key : changed) line += (line.empty() ? "" : ",") + key;
    heard.push_back(line);
  }
  void on_down(etcd::Mirror&, const std::string& why) override { heard.push_back("down: " + why); }
  void on_lease(int64_t id) override { leases.push_back("lease " + std::to_string(id)); }
  void on_lapsed(const std::string& why) override { leases.push_back("lapsed: " + why); }
  template <class Fact>
  void until(Fact fact) {
    for (int i = 0; i < 2000 && !fact(); ++i) loop.run_once(5ms);
    CHECK(fact());
  }
  void until_heard(const std::string& line) {
    INFO(line);
    until([&] { return !heard.empty() && heard.back() == line; });
  }
};

}  // namespace

TEST_CASE("etcd: the end of a prefix", "[etcd]") {
  CHECK(etcd::prefix_end("/m/") == "/m0");
  CHECK(etcd::prefix_end("a\xff") == "b");
  CHECK(etcd::prefix_end("\xff") == std::string(1, '\0'));
  CHECK(etcd::prefix_end("") == std::string(1, '\0'));
}

TEST_CASE("etcd: a mirror has all keys, then every change", "[etcd]") {
  Bench bench;
  for (int i = 0; i < 2500; ++i) bench.first.values["/m/k" + std::to_string(i)] = "v";
  bench.first.values["/n"] = "another's";
  bench.mirror->start();
  bench.until([&] { return bench.heard.size() == 1; });
  CHECK(bench.mirror->values().size() == 2500);
  CHECK(bench.first.ranges == 3);
  bench.until([&] { return bench.first.watchers.size() == 1; });

  bench.first.put("/m/k7", "other");
  bench.until_heard("k7");
  CHECK(bench.mirror->values().at("k7").bytes == "other");
  bench.first.erase("/m/k8");
  bench.until_heard("k8");
  CHECK(!bench.mirror->values().contains("k8"));
  bench.first.put_in_parts("/m/a", "/m/b", "1");
  bench.until_heard("a,b");
  CHECK(bench.mirror->revision() == bench.first.revision);
}

TEST_CASE("etcd: a member has a name, and every address of it is tried", "[etcd]") {
  event::Loop loop;
  Member member(loop, "127.0.0.1:0");
  member.values["/m/k"] = "v";
  // Not to be found at first; then at an address where nobody is, and at the right one.
  auto asked = std::make_shared<std::atomic<int>>(0);
  etcd::Client::Options options;
  options.names = {{"etcd.example", member.address.port()}};
  options.lookup = [asked](const std::string& name) -> Result<net::Resolver::Addresses> {
    if (name != "etcd.example" || asked->fetch_add(1) == 0)
      return Error{Errc::NotFound, "no such name"};
    return net::Resolver::Addresses{*net::Address::ip("127.255.255.254", 0),
                                    *net::Address::ip("127.0.0.1", 0)};
  };
  struct Heard : etcd::Mirror::Owner {
    void on_values(etcd::Mirror&, const std::set<std::string>&) override { ++times; }
    void on_down(etcd::Mirror&, const std::string&) override {}
    int times = 0;
  } heard;
  auto client = std::make_unique<etcd::Client>(loop, options);
  etcd::Mirror::Options of;
  of.prefix = "/m/";
  of.pause_min = 10ms;
  of.pause_max = 50ms;
  etcd::Mirror mirror(loop, *client, of, heard);
  mirror.start();
  for (int i = 0; i < 2000 && heard.times == 0; ++i) loop.run_once(5ms);
  CHECK(heard.times == 1);
  CHECK(mirror.values().at("k").bytes == "v");
  CHECK(*asked >= 2);
  client.reset();
}

TEST_CASE("etcd: what was missed is told when etcd is back", "[etcd]") {
  Bench bench;
  bench.first.values = {{"/m/a", "1"}, {"/m/b", "1"}};
  bench.mirror->start();
  bench.until([&] { return bench.first.watchers.size() == 1; });
  CHECK(bench.heard == std::vector<std::string>{"a,b"});

  SECTION("the watch goes on where it was") {
    bench.first.end_watches({grpc::Code::Internal, "gone"});
    bench.until([&] { return bench.first.watchers.size() == 1; });
    bench.until_heard("");
    CHECK(bench.heard.at(1) == "down: INTERNAL: gone");
  }
  SECTION("too long ago: all is read again, and the difference told") {
    bench.first.values = {{"/m/a", "2"}, {"/m/b", "1"}, {"/m/c", "1"}};
    bench.first.revision = bench.first.compacted = 100;
    bench.first.end_watches({grpc::Code::Unavailable, "gone"});
    bench.second.values = bench.first.values;
    bench.second.revision = bench.second.compacted = 100;
    bench.until_heard("a,c");
  }
  SECTION("another cluster: the same") {
    bench.first.cluster = bench.second.cluster = 8;
    bench.first.values = bench.second.values = {{"/m/z", "1"}};
    bench.first.end_watches({grpc::Code::Internal, "gone"});
    bench.until_heard("a,b,z");
  }
  SECTION("a member without a leader is left for another") {
    bench.second.values = bench.first.values;
    bench.second.revision = bench.first.revision;
    bench.first.leaderless = true;
    bench.first.end_watches({grpc::Code::Unavailable, "etcdserver: no leader"});
    bench.until([&] { return bench.second.watchers.size() == 1; });
    bench.second.put("/m/a", "3");
    bench.until_heard("a");
  }
}

TEST_CASE("etcd: more than may be kept takes nothing away", "[etcd]") {
  Bench bench({}, 2);
  bench.first.values = {{"/m/a", "1"}, {"/m/b", "1"}};
  bench.mirror->start();
  bench.until([&] { return bench.first.watchers.size() == 1; });
  bench.first.put("/m/c", "1");
  bench.until(
      [&] { return bench.heard.back().starts_with("down: below \"/m/\" are more than 2"); });
  bench.first.erase("/m/b");
  bench.until([&] { return bench.mirror->up(); });
  CHECK(bench.heard.back() == "b,c");
  CHECK(bench.mirror->values().size() == 2);
}

TEST_CASE("etcd: a login, and another when it is no longer taken", "[etcd]") {
  etcd::Client::Options options;
  options.user = "mesh";
  options.password = "secret";
  SECTION("right") {
    Bench bench(options);
    bench.first.values = {{"/m/a", "1"}};
    bench.mirror->start();
    bench.until([&] { return bench.first.watchers.size() == 1; });
    CHECK(bench.first.logins == 1);
    bench.first.token = "another";  // ours has run out
    bench.first.end_watches({grpc::Code::Unauthenticated, "etcdserver: invalid auth token"});
    bench.until([&] { return bench.first.logins == 2 && bench.first.watchers.size() == 1; });
    bench.first.put("/m/a", "2");
    bench.until_heard("a");
  }
  SECTION("wrong") {
    options.password = "wrong";
    Bench bench(options);
    bench.mirror->start();
    bench.until([&] { return !bench.heard.empty(); });
    CHECK(bench.heard.at(0) ==
          "down: log in as \"mesh\": INVALID_ARGUMENT: etcdserver: authentication failed");
  }
}

TEST_CASE("etcd: a lease is kept, and granted anew when it has lapsed", "[etcd]") {
  Bench bench;
  bench.lease->start();
  bench.until([&] { return bench.leases.size() == 1; });
  CHECK(bench.leases.at(0) == "lease 1");
  bench.until([&] { return bench.first.renewals >= 1; });
  bench.first.lease = 99;  // dropped
  bench.until([&] { return bench.leases.size() == 3; });
  CHECK(bench.leases.at(1) == "lapsed: etcd has dropped the lease");
  CHECK(bench.leases.at(2) == "lease 2");
  std::optional<bool> revoked;
  bench.lease->revoke([&](Result<void> done) { revoked = done.has_value(); });
  bench.until([&] { return revoked.has_value(); });
  CHECK(*revoked);
  CHECK(bench.first.lease == 0);
  CHECK(bench.lease->id() == 0);
}

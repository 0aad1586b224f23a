// The resolver's side of the mesh: messages byte by byte, and which name has what.

#include <catch2/catch.hpp>

#include "discovery/dns/addresses.h"
#include "discovery/dns/message.h"
#include "discovery/dns/zone.h"
#include "tests/unit/discovery/sample.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;
using namespace std::string_literals;
using dns::Answer;
using dns::Query;
using dns::Rcode;

std::string wire_name(const std::string& name) {
  std::string out;
  for (size_t at = 0; !name.empty() && at <= name.size();) {
    const size_t dot = std::min(name.find('.', at), name.size());
    out += char(dot - at);
    out += name.substr(at, dot - at);
    at = dot + 1;
  }
  return out + '\0';
}

std::string query_bytes(const std::string& name, int type, const std::string& more = "",
                        int additional = 0) {
  return "\x12\x34\x01\x00\0\x01\0\0\0\0\0"s + char(additional) + wire_name(name) + '\0' +
         char(type) + "\0\x01"s + more;
}

// An OPT that offers `bytes`.
std::string opt(int bytes, char version = 0) {
  return "\0\0\x29"s + char(bytes >> 8) + char(bytes) + '\0' + version + "\0\0\0\0"s;
}

int rcode(const std::string& answer) { return answer.at(3) & 0xF; }
int count(const std::string& answer, int section) { return answer.at(size_t(5 + 2 * section)); }

TEST_CASE("dns: what a query asks") {
  const auto query = dns::read_query(query_bytes("Reviews.Demo", 1));
  REQUIRE(query);
  CHECK(query->id == 0x1234);
  CHECK(query->name == "reviews.demo");
  CHECK(query->type == 1);
  CHECK(query->recursion_desired);
  CHECK(query->error == Rcode::NoError);
  CHECK(query->question.find("Reviews") != std::string::npos);  // given back as it came
  CHECK(query->udp_bytes_max == 512);
  const auto extended = dns::read_query(query_bytes("a", 28, opt(4096), 1));
  REQUIRE(extended);
  CHECK(extended->edns);
  CHECK(extended->udp_bytes_max == 4096);
}

TEST_CASE("dns: a query that is wrong is answered so, or not at all") {
  struct Row {
    const char* what;
    std::string bytes;
    std::optional<Rcode> error;  // nothing: dropped
  };
  const std::string good = query_bytes("a.b", 1);
  std::string answer = good;
  answer[2] = char(0x80);
  std::string update = good;
  update[2] = 0x28;
  std::string two = good;
  two[5] = 2;
  std::string chaos = good;
  chaos.back() = 3;
  const std::string header = "\x12\x34\0\0\0\x01\0\0\0\0\0\0"s;
  const Row rows[] = {
      {"nothing", "", std::nullopt},
      {"half a header", good.substr(0, 11), std::nullopt},
      {"an answer", answer, std::nullopt},
      {"an update", update, Rcode::NotImp},
      {"two questions", two, Rcode::FormErr},
      {"a class that is not IN", chaos, Rcode::Refused},
      {"a name without an end", header + "\3abc", Rcode::FormErr},
      {"a name that points at itself", header + "\xC0\x0C\0\1\0\1"s, Rcode::FormErr},
      {"a name that points ahead", header + "\xC0\x20\0\1\0\1"s, Rcode::FormErr},
      {"a label of a reserved kind", header + "\x80\0\0\1\0\1"s, Rcode::FormErr},
      {"a NUL in a name", header + "\3a\0b\0\0\1\0\1"s, Rcode::FormErr},
      {"a name of 260 bytes",
       query_bytes(std::string(60, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') +
                       "." + std::string(63, 'd') + ".eeeeeee",
                   1),
       Rcode::FormErr},
      {"two OPTs", query_bytes("a", 1, opt(512) + opt(512), 2), Rcode::FormErr},
      {"fewer records than said", query_bytes("a", 1, opt(512), 2), Rcode::FormErr},
      {"EDNS of the future", query_bytes("a", 1, opt(512, 1), 1), Rcode::BadVers},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    const auto query = dns::read_query(row.bytes);
    CHECK(bool(query) == row.error.has_value());
    if (!query || !row.error) continue;
    CHECK(query->error == *row.error);
    const std::string out = dns::write_answer(*query, Answer(), 512);
    CHECK(rcode(out) == (int(*row.error) & 0xF));
    CHECK(out.substr(0, 2) == row.bytes.substr(0, 2));
  }
}

TEST_CASE("dns: a name compressed within the question is read") {
  // The root of "a.b" stands in the question of another: only what came before counts.
  const std::string bytes = query_bytes("a.b", 1, "\xC0\x0E\0\1\0\1\0\0\0\0\0\0"s, 1);
  const auto query = dns::read_query(bytes);
  REQUIRE(query);
  CHECK(query->error == Rcode::NoError);
}

TEST_CASE("dns: answers, whole and cut short") {
  auto query = *dns::read_query(query_bytes("a.b", 1));
  Answer answer;
  answer.rcode = Rcode::NoError;
  answer.authoritative = true;
  answer.a = {{192, 0, 2, 1}};
  const std::string one = dns::write_answer(query, answer, 512);
  CHECK(one == "\x12\x34\x85\x00\0\1\0\1\0\0\0\0"s + wire_name("a.b") +
                   "\0\1\0\1\xC0\x0C\0\1\0\1\0\0\0\5\0\4\xC0\0\2\1"s);
  for (uint8_t i = 0; i < 64; ++i) answer.a.push_back({10, 0, 0, i});
  const std::string cut = dns::write_answer(query, answer, 512);
  CHECK(cut.size() <= 512);
  CHECK((cut[2] & 0x02) != 0);  // TC
  CHECK(count(cut, 1) == int(cut.size() - 12 - 9) / 16);
  CHECK(dns::write_answer(query, answer, 65535).size() == 12 + 9 + 65 * 16);
  query.edns = true;
  const std::string with_opt = dns::write_answer(query, answer, 1232);
  CHECK(count(with_opt, 3) == 1);
  CHECK((with_opt[2] & 0x02) == 0);
  // Nothing of that type: the SOA says for how long.
  answer.a.clear();
  answer.zone = "b";
  query.edns = false;
  const std::string none = dns::write_answer(query, answer, 512);
  CHECK(count(none, 1) == 0);
  CHECK(count(none, 2) == 1);
}

const std::string kNames = sample::kServices + R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: own, namespace: demo}
spec: {hosts: [own.example], location: MESH_INTERNAL, resolution: STATIC,
  addresses: [192.0.2.7, "2001:db8::7"], ports: [{number: 5432, name: tcp-db, protocol: TCP}],
  endpoints: [{address: 192.0.2.8}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: none, namespace: demo}
spec: {hosts: [none.example], location: MESH_EXTERNAL, resolution: NONE,
  ports: [{number: 80, name: http, protocol: HTTP}]}
)";

TEST_CASE("dns: which name has what") {
  auto model = Model::build({}, sample::objects(kNames), {},
                            [](const Model::Key&) { return Workload::State::Present; });
  auto automatic = *dns::Addresses::in("240.240.0.0/16");
  CHECK(automatic.assign(dns::Zone::without_address(*model)));
  CHECK_FALSE(automatic.assign(dns::Zone::without_address(*model)));
  model->give_addresses([&](const auto& host) { return automatic.find(host); });
  const dns::Zone zone(*model, 5);
  struct Row {
    const char* name;
    int type;
    Rcode rcode;
    size_t a, aaaa, srv;
  };
  const Row rows[] = {
      {"reviews", 1, Rcode::NoError, 1, 0, 0},
      {"reviews", 28, Rcode::NoError, 0, 0, 0},
      {"reviews", 255, Rcode::NoError, 1, 0, 0},
      {"reviews", 15, Rcode::NoError, 0, 0, 0},
      {"reviews.demo.svc.cluster.local", 1, Rcode::NoError, 1, 0, 0},
      {"own.example", 1, Rcode::NoError, 1, 0, 0},
      {"own.example", 28, Rcode::NoError, 0, 1, 0},
      {"ratings.demo.svc.cluster.local", 1, Rcode::NoError, 1, 0, 0},
      {"ratings.demo.svc", 1, Rcode::NoError, 1, 0, 0},
      {"ratings.demo", 1, Rcode::NoError, 1, 0, 0},
      {"ratings", 1, Rcode::Refused, 0, 0, 0},
      {"_grpc._tcp.ratings.demo", 33, Rcode::NoError, 0, 0, 1},
      {"_tcp-db._tcp.own.example", 33, Rcode::NoError, 0, 0, 1},
      {"_smtp._tcp.own.example", 33, Rcode::NxDomain, 0, 0, 0},
      {"_http._tcp.example.org", 33, Rcode::Refused, 0, 0, 0},
      {"a.none.example", 1, Rcode::Refused, 0, 0, 0},
      {"none.example", 1, Rcode::Refused, 0, 0, 0},
      {"nobody.demo.svc.cluster.local", 1, Rcode::NxDomain, 0, 0, 0},
      {"demo.svc.cluster.local", 1, Rcode::NoError, 0, 0, 0},
      {"cluster.local", 1, Rcode::NoError, 0, 0, 0},
      {"notcluster.local", 1, Rcode::Refused, 0, 0, 0},
      {"example.org", 1, Rcode::Refused, 0, 0, 0},
      {"", 1, Rcode::Refused, 0, 0, 0},
  };
  for (const auto& row : rows) {
    INFO(row.name << " " << row.type);
    Query query;
    query.name = row.name;
    query.type = uint16_t(row.type);
    const Answer answer = zone.find(query);
    CHECK(answer.rcode == row.rcode);
    CHECK(answer.a.size() == row.a);
    CHECK(answer.aaaa.size() == row.aaaa);
    CHECK(answer.srv.size() == row.srv);
    CHECK(answer.authoritative == (row.rcode != Rcode::Refused));
  }
}

TEST_CASE("dns: automatic addresses are one a host, and stay") {
  auto addresses = *dns::Addresses::in("10.9.8.0/24");
  std::vector<std::string> hosts;
  for (int i = 0; i < 100; ++i) hosts.push_back("host-" + std::to_string(i) + ".example");
  REQUIRE(addresses.assign(hosts));
  std::set<std::string> seen;
  for (const auto& host : hosts) {
    const std::string address = addresses.find(host);
    CHECK(address.starts_with("10.9.8."));
    CHECK(address != "10.9.8.0");
    CHECK(address != "10.9.8.255");
    CHECK(seen.insert(address).second);
  }
  auto again = *dns::Addresses::in("10.9.8.0/24");
  REQUIRE(again.restore(addresses.save()));
  CHECK_FALSE(again.assign(hosts));
  for (const auto& host : hosts) CHECK(again.find(host) == addresses.find(host));
  // Others come, the first keep theirs for as long as there is room.
  CHECK(again.assign({"more.example"}));
  CHECK(again.find(hosts[0]) == addresses.find(hosts[0]));
  std::vector<std::string> many;
  for (int i = 0; i < 300; ++i) many.push_back("many-" + std::to_string(i));
  CHECK(again.assign(many));
  CHECK(again.size() == 254);
  CHECK(again.find("many-299").empty());
  CHECK(again.find(hosts[0]).empty());
  auto other = *dns::Addresses::in("10.9.0.0/16");
  CHECK_FALSE(other.restore(addresses.save()));
  CHECK_FALSE(other.restore("garbage"));
  for (const auto* wrong : {"10.9.8.0", "10.9.8.1/24", "10.9.8.0/25", "::/64", "10.0.0.0/7", ""})
    CHECK_FALSE(dns::Addresses::in(wrong));
}

}  // namespace

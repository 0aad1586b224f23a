// What each condition holds for, with its negation; which policy decides.
#include "authz/rules.h"

#include <catch2/catch.hpp>

#include "authz/path_template.h"
#include "unit/authz/bench.h"

using namespace mesh;
using namespace mesh::authz;
using namespace mesh::authz::bench;
using route::ClaimMatch;
using Kind = Condition::Kind;
using Text = route::TextMatch::Kind;

namespace {

bool holds(const Condition& condition, const Call& call) {
  return call.decide(*compiled(Action::Allow, {policy("p", condition)})).allowed;
}

json::Value json_of(std::string_view text) {
  auto value = json::parse(text);
  REQUIRE(value);
  return *std::move(value);
}

struct Row {
  const char* because;
  Condition condition;
  bool holds;
};

}  // namespace

TEST_CASE("authz: each condition, and its negation", "[authz]") {
  Call call;
  call.fields.add("x-team", "a");
  call.fields.add("x-team", "b");
  call.payload = json_of(R"({"iss": "i", "groups": ["g1", "g2"], "n": {"m": 5}, "ok": true})");
  Condition listed = claim({"groups"}, "");
  listed.claim.value = {.kind = ClaimMatch::Kind::OneOf};
  listed.claim.value.parts.push_back({.kind = ClaimMatch::Kind::Text, .text = {.text = "g2"}});
  Condition number = claim({"n", "m"}, "");
  number.claim.value = {.kind = ClaimMatch::Kind::Number, .low = 5, .high = 6};
  Condition truth = claim({"ok"}, "");
  truth.claim.value = {.kind = ClaimMatch::Kind::Boolean, .wanted = false};
  Condition there = field("x-team", "");
  there.field.present_only = true;
  const Row rows[] = {
      {"always", {}, true},
      {"under TLS", {.kind = Kind::Secure}, true},
      {"the principal", text(Kind::Principal, "spiffe://cluster.local/ns/shop/sa/web"), true},
      {"another principal", text(Kind::Principal, "spiffe://cluster.local/ns/shop/sa/we"), false},
      {"its beginning", text(Kind::Principal, "spiffe://cluster.local/ns/shop/", Text::Prefix),
       true},
      {"its namespace", text(Kind::Principal, ".*/ns/shop/.*", Text::Regex), true},
      {"a part of its namespace", text(Kind::Principal, ".*/ns/sho/.*", Text::Regex), false},
      {"by a true regex", text(Kind::Principal, ".*/ns/s.*p/.*", Text::Regex), true},
      {"any principal", text(Kind::Principal, ".+", Text::Regex), true},
      {"the server name", text(Kind::ServerName, "a.example"), true},
      {"another server name", text(Kind::ServerName, "b.example"), false},
      {"the path without its query", text(Kind::Path, "/api/v1"), true},
      {"the path with its query", text(Kind::Path, "/api/v1?x=1"), false},
      {"the path in another case", text(Kind::Path, "/API/v1"), false},
      {"the method", field(":method", "GET"), true},
      {"another method", field(":method", "get"), false},
      {"the host", field(":authority", "reviews"), true},
      {"a header of two fields", field("x-team", "a,b"), true},
      {"one of its fields", field("x-team", "b"), false},
      {"a header that is there", there, true},
      {"the socket's peer", range(Kind::DirectRemote, "10.0.0.0", 24), true},
      {"not that of the PROXY protocol", range(Kind::DirectRemote, "10.0.0.6", 32), false},
      {"the peer of the PROXY protocol", range(Kind::Source, "10.0.0.6", 32), true},
      {"the client", range(Kind::Remote, "192.0.2.0", 25), true},
      {"another client", range(Kind::Remote, "192.0.2.128", 25), false},
      {"every IPv6 client", range(Kind::Remote, "::", 0), false},
      {"our address", range(Kind::Destination, "10.1.0.1", 32), true},
      {"our port", ports(8080, 8080), true},
      {"a range of ports", ports(1, 8079), false},
      {"a claim", claim({"iss"}, "i"), true},
      {"a claim that is not there", claim({"sub"}, "i"), false},
      {"a claim within a text", claim({"iss", "x"}, "i"), false},
      {"one of a list", listed, true},
      {"a number within", number, true},
      {"another truth", truth, false},
      {"all of two", group(Kind::All, {field(":method", "GET"), ports(8080, 8080)}), true},
      {"all, one fails", group(Kind::All, {field(":method", "GET"), ports(1, 1)}), false},
      {"any of two", group(Kind::Any, {ports(1, 1), field(":method", "GET")}), true},
      {"none of two", group(Kind::Any, {ports(1, 1), ports(2, 2)}), false},
  };
  for (const Row& row : rows) DYNAMIC_SECTION(row.because) {
      CHECK(holds(row.condition, call) == row.holds);
      CHECK(holds(negated(row.condition), call) != row.holds);
      CHECK(holds(negated(negated(row.condition)), call) == row.holds);
    }
}

TEST_CASE("authz: who has proved nothing has no principal", "[authz]") {
  Call call;
  call.principal = "";
  CHECK_FALSE(holds(text(Kind::Principal, "", Text::Contains), call));
  CHECK_FALSE(holds(text(Kind::Principal, ".*", Text::Regex), call));
  CHECK(holds(negated(text(Kind::Principal, "spiffe://cluster.local/ns/a/sa/b")), call));
}

TEST_CASE("authz: nothing of HTTP holds for a connection", "[authz]") {
  Call call;
  call.http = false;
  CHECK_FALSE(holds(field(":method", "GET"), call));
  CHECK_FALSE(holds(text(Kind::Path, "/", Text::Prefix), call));
  CHECK(holds(ports(8080, 8080), call));
}

TEST_CASE("authz: addresses that are mapped are IPv4", "[authz]") {
  Call call;
  call.remote = "::ffff:192.0.2.7";
  CHECK(holds(range(Kind::Remote, "192.0.2.7", 32), call));
  call.remote = "2001:db8::1";
  CHECK(holds(range(Kind::Remote, "2001:db8::", 32), call));
  CHECK_FALSE(holds(range(Kind::Remote, "0.0.0.0", 0), call));
  call.remote = "/run/app.sock";
  CHECK_FALSE(holds(range(Kind::Remote, "0.0.0.0", 0), call));
}

TEST_CASE("authz: many texts are one set, and mean the same", "[authz]") {
  std::vector<Condition> parts;
  for (int i = 0; i < 100; ++i) parts.push_back(text(Kind::Path, "/p" + std::to_string(i)));
  parts.push_back(text(Kind::Path, "/prefix/", Text::Prefix));
  parts.push_back(negated(text(Kind::Principal, "spiffe://cluster.local/ns/shop/sa/web")));
  const Condition any = group(Kind::Any, parts);
  Call call;
  for (const auto& [path, want] : {std::pair<const char*, bool>{"/p0", true},
                                   {"/p99?q", true},
                                   {"/p100", false},
                                   {"/prefix/x", true},
                                   {"/", false}}) {
    call.path = path;
    CHECK(holds(any, call) == want);
    CHECK(holds(negated(any), call) != want);
  }
}

TEST_CASE("authz: the first policy that matches decides, by its action", "[authz]") {
  const std::vector<Policy> policies{policy("a", field(":method", "POST")),
                                     policy("b c", field(":method", "GET")), policy("d", {})};
  Call call;
  SECTION("allow") {
    const auto rules = compiled(Action::Allow, policies);
    CHECK(call.decide(*rules).allowed);
    CHECK(call.decide(*rules).policy == 1);
    const auto fewer = compiled(Action::Allow, {policies[0]});
    CHECK_FALSE(call.decide(*fewer).allowed);
    CHECK(fewer->details(call.decide(*fewer)) == "rbac_access_denied_matched_policy[none]");
  }
  SECTION("deny") {
    const auto rules = compiled(Action::Deny, policies);
    CHECK_FALSE(call.decide(*rules).allowed);
    CHECK(rules->details(call.decide(*rules)) == "rbac_access_denied_matched_policy[b_c]");
    CHECK(call.decide(*compiled(Action::Deny, {policies[0]})).allowed);
  }
  SECTION("log") {
    const auto rules = compiled(Action::Log, policies);
    CHECK(call.decide(*rules).allowed);
    CHECK(call.decide(*rules).policy == 1);
  }
  SECTION("no policies") {
    CHECK_FALSE(call.decide(*compiled(Action::Allow, {})).allowed);
    CHECK(call.decide(*compiled(Action::Deny, {})).allowed);
  }
  SECTION("a policy without principals matches nobody") {
    CHECK_FALSE(call.decide(*compiled(Action::Allow, {{"p", {Condition{}}, {}}})).allowed);
  }
}

TEST_CASE("authz: what cannot be made ready is refused by the policy's name", "[authz]") {
  const auto error = [](const Condition& condition) {
    const auto rules = Rules::compile({Action::Allow, {policy("p", condition)}});
    REQUIRE_FALSE(rules);
    return rules.error();
  };
  CHECK(error(text(Kind::Path, "(", Text::Regex)).text.starts_with("policy \"p\": regex"));
  Condition deep;
  for (int i = 0; i < 40; ++i) deep = group(Kind::All, {deep, Condition{}});
  CHECK(error(deep).kind == Errc::TooBig);
}

TEST_CASE("authz: path templates", "[authz]") {
  struct TemplateRow {
    const char* path_template;
    const char* path;
    bool holds;
  };
  const TemplateRow rows[] = {
      {"/a/*", "/a/b", true},         {"/a/*", "/a/", false},     {"/a/*", "/a/b/c", false},
      {"/a/**", "/a/", true},         {"/a/**", "/a/b/c", true},  {"/a/**", "/a", false},
      {"/*/x/**", "/t/x/y/z", true},  {"/*/x/**", "/x/y", false}, {"/a.b/*", "/aXb/c", false},
      {"/a/*/c", "/a/b%20b/c", true},
  };
  for (const TemplateRow& row : rows) DYNAMIC_SECTION(row.path_template << " " << row.path) {
      const auto regex = regex_of_template(row.path_template);
      REQUIRE(regex);
      Call call;
      call.path = row.path;
      CHECK(holds(text(Kind::Path, *regex, Text::Regex), call) == row.holds);
    }
  for (const char* wrong : {"", "a", "/**/a", "/a*", "/{x}", "/a b", "/***"})
    CHECK_FALSE(regex_of_template(wrong));
}

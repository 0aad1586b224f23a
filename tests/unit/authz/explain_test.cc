// In which words a call is told why.
#include "authz/explain.h"

#include <catch2/catch.hpp>

#include "unit/authz/bench.h"

using namespace mesh;
using namespace mesh::authz;
using namespace mesh::authz::bench;
using Kind = Condition::Kind;
using Text = route::TextMatch::Kind;

namespace {

// What the only rule's nearest alternative lacks.
std::string lacks(const Condition& what, const Condition& who, const Call& call = {}) {
  const auto explained = call.explain(*compiled(Action::Allow, {policy("p", what, who)}));
  REQUIRE(explained.rules.size() == 1);
  CHECK(explained.rules[0].matched == explained.decision.allowed);
  CHECK(explained.rules[0].failing.empty() == explained.rules[0].matched);
  std::string all;
  for (const FailingClause& clause : explained.rules[0].failing)
    all += (all.empty() ? "" : "; ") + to_string(clause);
  return all;
}

}  // namespace

TEST_CASE("authz: the rule that decided is named", "[authz]") {
  const auto explained = Call().explain(
      *compiled(Action::Deny, {policy("a", field(":method", "POST")),
                               policy("b", field(":method", "GET")), policy("c", {})}));
  CHECK_FALSE(explained.decision.allowed);
  CHECK(explained.decision.policy == 1);
  REQUIRE(explained.rules.size() == 3);
  CHECK(explained.rules[0].policy == "a");
  CHECK_FALSE(explained.rules[0].matched);
  CHECK(explained.rules[1].matched);
  CHECK(explained.rules[2].matched);
}

TEST_CASE("authz: what fails is said in Istio's words", "[authz]") {
  Condition header = field("x-a", "b");
  CHECK(lacks({}, text(Kind::Principal, "spiffe://cluster.local/ns/a/sa/b")) ==
        "source.principal is \"cluster.local/ns/a/sa/b\" (it is \"cluster.local/ns/shop/sa/web\")");
  CHECK(lacks({}, text(Kind::Principal, ".*/ns/bank/.*", Text::Regex)) ==
        "source.namespace is \"bank\" (it is \"cluster.local/ns/shop/sa/web\")");
  CHECK(lacks(header, {}) == "request.headers[x-a] is \"b\" (it is not there)");
  CHECK(lacks(ports(1, 2), {}) == "destination.port is 1 to 2 (it is \"8080\")");
  CHECK(lacks({}, range(Kind::Remote, "10.0.0.0", 8)) ==
        "remote.ip is 10.0.0.0/8 (it is \"192.0.2.7\")");
  CHECK(lacks({}, claim({"groups", "x"}, "g")) ==
        "request.auth.claims[groups][x] is \"g\" (it is not there)");
  CHECK(lacks(negated(text(Kind::Path, "/api/", Text::Prefix)), {}) ==
        "not (path is \"/api/*\") (it is \"/api/v1\")");
}

TEST_CASE("authz: of alternatives the nearest is told, of one question all its answers",
          "[authz]") {
  const Condition methods = group(Kind::Any, {field(":method", "PUT"), field(":method", "POST")});
  CHECK(lacks(methods, {}) == "method is \"POST\" or \"PUT\" (it is \"GET\")");
  const Condition near = group(Kind::All, {field(":method", "GET"), ports(1, 1)});
  const Condition far = group(Kind::All, {field(":method", "PUT"), ports(1, 1)});
  CHECK(lacks(group(Kind::Any, {far, near}), {}) == "destination.port is 1 (it is \"8080\")");
  CHECK(lacks(far, text(Kind::ServerName, "x")) ==
        "method is \"PUT\" (it is \"GET\"); destination.port is 1 (it is \"8080\"); "
        "connection.sni is \"x\" (it is \"a.example\")");
  std::vector<Condition> many;
  for (int i = 0; i < 12; ++i)
    many.push_back(text(Kind::Path, "/" + std::string(1, char('a' + i))));
  CHECK(lacks(group(Kind::Any, many), {}) ==
        "path is \"/a\" or \"/b\" or \"/c\" or \"/d\" or \"/e\" or \"/f\" or \"/g\" or \"/h\" or "
        "one of 4 more (it is \"/api/v1\")");
}

TEST_CASE("authz: a policy that never matches is told", "[authz]") {
  CHECK(lacks(negated(Condition{}), {}) == "not (anything) (it is not there)");
}

TEST_CASE("authz: what may become of a call whose token nobody knows", "[authz]") {
  const Condition ann = claim({"sub"}, "ann");
  const Condition web = text(Kind::Principal, "spiffe://cluster.local/ns/shop/sa/web");
  const Condition other = text(Kind::Principal, "spiffe://cluster.local/ns/shop/sa/db");
  struct Row {
    const char* because;
    Action action;
    std::vector<Policy> policies;
    bool allowed, denied;
    std::vector<uint32_t> open;
  };
  const Row rows[] = {
      {"a claim", Action::Allow, {policy("p", {}, ann)}, true, true, {0}},
      {"all but a claim", Action::Allow, {policy("p", {}, negated(ann))}, true, true, {0}},
      {"a claim denies", Action::Deny, {policy("p", {}, ann)}, true, true, {0}},
      {"a claim that is not all",
       Action::Allow,
       {policy("p", {}, group(Kind::All, {ann, other}))},
       false,
       true,
       {}},
      {"a claim or what holds",
       Action::Allow,
       {policy("p", {}, group(Kind::Any, {ann, web}))},
       true,
       false,
       {}},
      {"not both, and one does not hold",
       Action::Deny,
       {policy("p", {}, negated(group(Kind::All, {ann, other})))},
       false,
       true,
       {}},
      {"another rule lets it in",
       Action::Allow,
       {policy("p", {}, ann), policy("q", {}, web)},
       true,
       false,
       {0}},
      {"no claim", Action::Deny, {policy("p", {}, other)}, true, false, {}},
      {"a log", Action::Log, {policy("p", {}, ann)}, true, false, {0}},
  };
  for (const Row& row : rows) {
    INFO(row.because);
    const auto rules = compiled(row.action, row.policies);
    const Possible found =
        Call().with([&](const Request& request) { return possible(*rules, request); });
    CHECK(found.allowed == row.allowed);
    CHECK(found.denied == row.denied);
    CHECK(found.open == row.open);
  }
}

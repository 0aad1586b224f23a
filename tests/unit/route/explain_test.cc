// Why a request takes its route: the same answer as the table's, in words.
#include "route/explain.h"

#include <catch2/catch.hpp>

#include "base/random.h"

using namespace mesh;
using route::Clause;
using route::FieldMatch;
using route::Match;
using route::Route;
using route::Table;
using route::TextMatch;

namespace {

std::shared_ptr<const Table> table_of(std::vector<route::VirtualHost> hosts,
                                      route::TableOptions options = {}) {
  auto built = Table::build("t", std::move(hosts), options);
  INFO((built ? std::string() : built.error().text));
  REQUIRE(built);
  return *built;
}

Route to(Match match) {
  Route route;
  route.match = std::move(match);
  route.clusters = {{"c"}};
  return route;
}

const char* pick(Random& random, std::initializer_list<const char*> words) {
  return *(words.begin() + random.below(words.size()));
}

TextMatch random_text(Random& random) {
  TextMatch text{.kind = TextMatch::Kind(random.below(5)), .text = pick(random, {"a", "b", "ab"})};
  text.ignore_case = text.kind != TextMatch::Kind::Regex && random.below(3) == 0;
  return text;
}

FieldMatch random_field(Random& random) {
  FieldMatch field{.name = pick(random, {"x-a", "x-b", ":method", ":authority", "host"})};
  field.invert = random.below(3) == 0;
  switch (random.below(4)) {
    case 0: field.present_only = true; break;
    case 1: field.range = {{1, 3}}; break;
    default: field.value = random_text(random); break;
  }
  field.missing_is_empty = random.below(4) == 0;
  return field;
}

Match random_match(Random& random) {
  Match match;
  match.kind = Match::Path(random.below(5));
  match.path = pick(random, {"/a", "/a/b", "/ab", "/A"});
  if (match.kind == Match::Path::Prefix && random.below(2) == 0) match.path = "/";
  match.ignore_case = random.below(4) == 0;
  match.grpc = random.below(8) == 0;
  if (random.below(8) == 0) match.share = resilience::Fraction{500'000};
  if (random.below(8) == 0) match.certificate_presented = random.below(2) == 0;
  if (random.below(8) == 0) match.certificate_validated = random.below(2) == 0;
  for (size_t n = random.below(3); n > 0; --n) match.fields.push_back(random_field(random));
  if (random.below(4) == 0)
    match.query.push_back({.name = "q",
                           .present_only = random.below(2) == 0,
                           .value = {.kind = TextMatch::Kind::Prefix, .text = "a"}});
  if (random.below(4) == 0)
    match.claims.push_back(
        {.path = {"payload", pick(random, {"team", "none"})},
         .value = {.kind = route::ClaimMatch::Kind::Text, .text = random_text(random)},
         .invert = random.below(3) == 0});
  return match;
}

// Whether the one condition holds, asked by itself.
bool alone(const Match& match, Clause clause, const route::Request& request, std::string_view path,
           std::string_view query) {
  using Kind = Clause::Kind;
  Match one;
  one.path = "";
  switch (clause.kind) {
    case Kind::None: return true;
    case Kind::Connect: return request.method == "CONNECT";
    case Kind::HasPath: return !request.path.empty();
    case Kind::Path: return path_holds(match, path);
    case Kind::Share: one.share = match.share; break;
    case Kind::Grpc: one.grpc = true; break;
    case Kind::CertificatePresented: one.certificate_presented = match.certificate_presented; break;
    case Kind::CertificateValidated: one.certificate_validated = match.certificate_validated; break;
    case Kind::Field: return holds(match.fields[clause.index], request);
    case Kind::Query: one.query = {match.query[clause.index]}; break;
    case Kind::Claim: return holds(match.claims[clause.index], request.claims);
  }
  return conditions_hold(one, request, query);
}

}  // namespace

TEST_CASE("explain: agrees with the table, and each clause it names fails", "[route]") {
  Random random(20261123);
  const auto payload = json::parse(R"({"team": "ab"})");
  REQUIRE(payload);
  const route::TokenClaims token{.name = "payload", .payload = &*payload};
  size_t found = 0;
  size_t failed = 0;
  for (int round = 0; round < 200; ++round) {
    const route::TableOptions options{.ignore_port = random.below(2) == 0,
                                      .ignore_path_parameters = random.below(2) == 0};
    std::vector<route::VirtualHost> hosts;
    hosts.push_back({.name = "one", .domains = {"a.test", "*.b.test"}});
    if (random.below(2) == 0) hosts.push_back({.name = "rest", .domains = {"*"}});
    for (auto& host : hosts)
      for (size_t i = 0, n = random.below(12); i < n; ++i)
        host.routes.push_back(to(random_match(random)));
    const auto table = table_of(std::move(hosts), options);
    for (int i = 0; i < 60; ++i) {
      http::Fields fields;
      for (const char* name : {"x-a", "x-b", "x-b", "content-type"})
        if (random.below(2) == 0)
          fields.add(name, pick(random, {"a", "b", "ab", "2", "application/grpc"}));
      route::Request request{
          .authority = pick(random, {"a.test", "a.test:80", "c.b.test", "elsewhere"}),
          .method = pick(random, {"GET", "a", "CONNECT"}),
          .path = pick(random, {"/a", "/a/b", "/ab?q=ab", "/A;x=1", "/b?q", ""}),
          .fields = &fields,
          .chance = random.next(),
          .certificate_presented = random.below(2) == 0,
          .certificate_validated = random.below(2) == 0,
          .claims = {&token, random.below(2)}};
      const auto why = explain(*table, request, options);
      REQUIRE(why.host == table->find_host(request.authority));
      REQUIRE(why.route == table->find(request));
      if (why.host == nullptr) continue;
      CHECK(!why.domain.empty());
      auto [path, query] = route::split_query(request.path);
      if (options.ignore_path_parameters) path = path.substr(0, path.find(';'));
      REQUIRE(why.tried.size() == why.place);
      for (size_t t = 0; t < why.tried.size(); ++t) {
        const Match& match = why.host->routes[t].match;
        REQUIRE(why.tried[t].place == t);
        REQUIRE(!holds(match, request, path, query));
        CHECK(!alone(match, why.tried[t].failed.clause, request, path, query));
        CHECK(!why.tried[t].failed.expected.empty());
        ++failed;
      }
      if (why.route == nullptr) continue;
      CHECK(first_failing(why.route->match, request, path, query) == Clause{});
      ++found;
    }
  }
  CHECK(found > 1000);
  CHECK(failed > 1000);
}

TEST_CASE("explain: says what was asked and what the request has", "[route]") {
  Match exact;
  exact.kind = Match::Path::Exact;
  exact.path = "/login";
  Match user;
  user.fields = {{.name = "end-user", .value = {.text = "jason"}}};
  Match post;
  post.fields = {{.name = ":method", .value = {.text = "POST"}}};
  Match absent;
  absent.fields = {{.name = "x-b3", .present_only = true, .invert = true}};
  Match query;
  query.query = {{.name = "beta", .value = {.kind = TextMatch::Kind::Prefix, .text = "y"}}};
  Match separated;
  separated.kind = Match::Path::PathSeparatedPrefix;
  separated.path = "/v1";
  const auto table =
      table_of({{"reviews",
                 {"reviews", "*.svc"},
                 {to(exact), to(user), to(post), to(absent), to(query), to(separated), to({})}}});
  http::Fields fields;
  fields.add("x-b3", "1");
  const route::Request request{
      .authority = "a.svc", .method = "GET", .path = "/v10?a=1", .fields = &fields};
  const auto why = explain(*table, request);
  CHECK(why.domain == "*.svc");
  CHECK(why.place == 6);
  std::vector<std::string> words;
  for (const auto& tried : why.tried)
    words.push_back(tried.failed.expected + " | " + tried.failed.actual);
  CHECK(words == std::vector<std::string>{
                     "path is \"/login\" | /v10", "header end-user is \"jason\" | -",
                     "method is \"POST\" | GET", "header x-b3 is not there | 1",
                     "query parameter beta is \"y*\" | -", "path is \"/v1\" or \"/v1/*\" | /v10"});
  CHECK(explain(*table, request, {}, 2).tried.size() == 2);
  CHECK(explain(*table, request, {}, 2).left_out == 4);
  CHECK(explain(*table, {.authority = "other", .path = "/"}).host == nullptr);
}

TEST_CASE("explain: a match and an action in one word", "[route]") {
  Match match;
  match.path = "/api";
  match.fields = {{.name = ":method", .value = {.text = "GET"}},
                  {.name = "x", .present_only = true, .invert = true},
                  {.name = "y", .value = {.kind = TextMatch::Kind::Regex, .text = "a b"}}};
  match.query = {{.name = "q", .present_only = true}};
  CHECK(route::match_text(match) == "/api*,method=\"GET\",!x,y=~\"a_b\",?q");
  Route route = to({});
  CHECK(route::action_text(route) == "c");
  route.clusters = {{"a", 90}, {"b", 10}};
  CHECK(route::action_text(route) == "a:90,b:10");
  route.clusters.clear();
  route.direct_status = 404;
  CHECK(route::action_text(route) == "answer:404");
}

TEST_CASE("explain: a claim that is asked for, and the one that is there", "[route]") {
  Match match;
  match.claims = {
      {.path = {"payload", "realm", "roles"},
       .value = {.kind = route::ClaimMatch::Kind::OneOf,
                 .parts = {{.kind = route::ClaimMatch::Kind::Text, .text = {.text = "admin"}}}}}};
  CHECK(match_text(match) == "/*,claims[realm][roles]=\"admin\"");
  const auto payload = json::parse(R"({"realm": {"roles": ["a", "b"]}})");
  REQUIRE(payload);
  const route::TokenClaims token{.name = "payload", .payload = &*payload};
  route::Request request{.path = "/"};
  const Clause clause = first_failing(match, request, "/", "");
  CHECK(clause == Clause{.kind = Clause::Kind::Claim});
  auto failed = failed_clause(clause, match, request, "/", "");
  CHECK(failed.expected == "request.auth.claims[realm][roles] is \"admin\"");
  CHECK(failed.actual == "-");
  request.claims = {&token, 1};
  failed = failed_clause(clause, match, request, "/", "");
  CHECK(failed.actual == "[a, b]");
  match.claims[0].value.parts[0].text.text = "b";
  CHECK(first_failing(match, request, "/", "").kind == Clause::Kind::None);
}

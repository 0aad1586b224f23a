// Explain: which route a request takes, and why none before it was taken. For people;
// by the conditions that Table::find() asks. Pure.
#pragma once

#include <string>
#include <vector>

#include "route/match.h"
#include "route/table.h"

namespace mesh::route {

// A pattern in Istio's short form: "a", "a*", "*a", "*a*", ~"a+", with its quotes.
std::string pattern_text(const TextMatch& match);

// The conditions in one word without blanks, the path first:
// `/api*,method="GET",end-user="jason"`.
std::string match_text(const Match& match);

// What is done with a request, in one word: "CLUSTER", "A:90,B:10", "redirect:301",
// "answer:404".
std::string action_text(const Route& route);

// "12.5%", to two places.
std::string percent_text(double percent);

// A condition that does not hold: what it asks, and what the request has there.
struct FailedClause {
  Clause clause;
  std::string expected;  // `path is "/api*"`, `header end-user is "jason"`
  std::string actual;    // `/login`; "-": it is not there
};

// Of `match`, which was asked about `path` and `query`.
FailedClause failed_clause(Clause clause, const Match& match, const Request& request,
                           std::string_view path, std::string_view query);

struct TriedRoute {
  size_t place = 0;  // in the virtual host
  FailedClause failed;
};

struct RouteExplanation {
  const VirtualHost* host = nullptr;   // null: no virtual host has the authority
  std::string domain = {};             // of the host, by which it was taken
  const Route* route = nullptr;        // as Table::find(); null: none holds
  size_t place = 0;                    // of `route` in the virtual host
  std::vector<TriedRoute> tried = {};  // those before it, or all
  size_t left_out = 0;                 // further ones, not told
};

// `options` are those that the table was built with. At most `tried_max` are told, the
// first ones.
RouteExplanation explain(const Table& table, const Request& request, TableOptions options = {},
                         size_t tried_max = 1000);

}  // namespace mesh::route

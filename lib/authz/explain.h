// Explain: why a call was judged as it was, for people. By the same walk as
// Rules::decide(); pure.
#pragma once

#include <string>
#include <vector>

#include "authz/rules.h"

namespace mesh::authz {

// What a rule asked and the call was not, in Istio's words.
struct FailingClause {
  std::string expected;  // `source.principal is "cluster.local/ns/shop/sa/web"`
  std::string actual;    // what the call had: `cluster.local/ns/shop/sa/db`; "-" for nothing
  bool operator==(const FailingClause&) const = default;
};
// `source.principal is "a" (it is "b")`.
std::string to_string(const FailingClause& clause);

struct RuleReport {
  std::string policy = {};  // "ns[NAMESPACE]-policy[NAME]-rule[N]"
  bool matched = false;
  // Where it did not match: of its alternatives the nearest, the one that failed by the
  // fewest clauses, all of them.
  std::vector<FailingClause> failing = {};
};

struct Explanation {
  Decision decision;
  // All rules in the order of judgement; those behind the one that decided too.
  std::vector<RuleReport> rules;
};

Explanation explain(const Rules& rules, const Request& request);

// What may become of a call where it is not known what its tokens say.
struct Possible {
  bool allowed = false;
  bool denied = false;
  std::vector<uint32_t> open = {};  // the policies whose match hangs on them
  bool depends() const { return allowed && denied; }
};

// As Rules::decide(), whatever request.claims has.
Possible possible(const Rules& rules, const Request& request);

}  // namespace mesh::authz

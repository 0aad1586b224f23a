#include "config/analyze/analyze.h"
#include "config/object_set.h"

namespace mesh::config {

SetProblems check_set(const ObjectSet& set) {
  SetProblems problems;
  for (const Finding& finding : analyze(set).findings)
    (finding.rule->refused ? problems.errors : problems.warnings).push_back(to_line(finding));
  return problems;
}

}  // namespace mesh::config

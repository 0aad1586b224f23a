#include "config/analyze/analyzer.h"
#include "config/object_set.h"

namespace mesh::config {

SetChecker::SetChecker() : analyzer_(std::make_unique<Analyzer>(AnalyzeOptions())) {}

SetChecker::~SetChecker() = default;

SetProblems SetChecker::check(const ObjectSet& set) {
  SetProblems problems;
  for (const Finding& finding : analyzer_->run(set).findings)
    (finding.rule->refused ? problems.errors : problems.warnings).push_back(to_line(finding));
  return problems;
}

SetProblems check_set(const ObjectSet& set) { return SetChecker().check(set); }

}  // namespace mesh::config

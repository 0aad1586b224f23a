#include "istio/telemetry/v1alpha1/telemetry.pb.h"

#include "base/text.h"
#include "config/log_expression.h"
#include "config/validate/validate.h"
#include "config/validate/workload_choice.h"

namespace mesh::config {
namespace {

namespace telemetry = ::istio::telemetry::v1alpha1;

void check_regexes(const LogExpression& expression, const std::string& path, Checker& checker) {
  if (expression.kind == LogExpression::Kind::Field && expression.how == LogExpression::How::Regex)
    checker.regex(path, expression.text);
  for (const LogExpression& part : expression.parts) check_regexes(part, path, checker);
}

void check_logging(const telemetry::AccessLogging& logging, const std::string& path,
                   Checker& checker) {
  for (int i = 0; i < logging.providers_size(); ++i)
    checker.expect(logging.providers(i).name() == "envoy", at_index(path + ".providers", i),
                   "not supported: provider " + text::quoted(logging.providers(i).name()) +
                       "; use envoy, the file that the forwarder's settings name");
  if (!logging.has_filter()) return;
  const std::string at = path + ".filter.expression";
  const auto expression = parse_log_expression(logging.filter().expression());
  if (expression)
    check_regexes(*expression, at, checker);
  else
    checker.fail(at, expression.error().text);
}

}  // namespace

void validate(const telemetry::Telemetry& object, Checker& checker) {
  if (object.has_selector()) check_selector(object.selector(), checker);
  for (int i = 0; i < object.access_logging_size(); ++i)
    check_logging(object.access_logging(i), at_index("spec.accessLogging", i), checker);
  checker.expect(object.metrics().empty(), "spec.metrics",
                 "not supported: choices among metrics; drop series and labels where Prometheus "
                 "scrapes, by metric_relabel_configs");
}

}  // namespace mesh::config

#include "istio/telemetry/v1alpha1/telemetry.pb.h"

#include "base/text.h"
#include "config/log_expression.h"
#include "config/validate/validate.h"
#include "config/validate/workload_choice.h"
#include "telemetry/metric_choices.h"

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

void check_tag(const std::string& name, const telemetry::MetricsOverrides::TagOverride& tag,
               const std::string& path, Checker& checker) {
  if (name == "reporter")
    return checker.fail(path, "the tag reporter tells the two counts of a request apart; it stays");
  checker.expect(mesh::telemetry::valid_tag_name(name), path,
                 "expected the name of a label: letters, digits and _, at most 64 bytes, neither "
                 "le nor begun by __");
  const bool removes = tag.operation() == telemetry::MetricsOverrides::TagOverride::REMOVE;
  if (removes) {
    checker.expect(tag.value().empty(), path + ".value", "REMOVE takes no value");
  } else if (tag.value().empty()) {
    checker.fail(path + ".value", "UPSERT needs a value");
  } else if (const auto value = mesh::telemetry::parse_tag_value(tag.value()); !value) {
    checker.fail(path + ".value", value.error().text);
  }
}

void check_metrics(const telemetry::Metrics& metrics, const std::string& path, Checker& checker) {
  for (int i = 0; i < metrics.providers_size(); ++i)
    checker.expect(metrics.providers(i).name() == "prometheus", at_index(path + ".providers", i),
                   "not supported: provider " + text::quoted(metrics.providers(i).name()) +
                       "; use prometheus, the page of statsd");
  for (int i = 0; i < metrics.overrides_size(); ++i) {
    const auto& override = metrics.overrides(i);
    const std::string at = at_index(path + ".overrides", i);
    checker.expect(size_t(override.tag_overrides_size()) <= mesh::telemetry::kTagsMax,
                   at + ".tagOverrides",
                   "at most " + std::to_string(mesh::telemetry::kTagsMax) + " tags");
    for (const auto& [name, tag] : override.tag_overrides())
      check_tag(name, tag, at_key(at + ".tagOverrides", name), checker);
  }
}

void check_tracing(const telemetry::Tracing& tracing, const std::string& path, Checker& checker) {
  if (tracing.has_random_sampling_percentage())
    checker.range(path + ".randomSamplingPercentage", tracing.random_sampling_percentage().value(),
                  0, 100);
}

}  // namespace

void validate(const telemetry::Telemetry& object, Checker& checker) {
  if (object.has_selector()) check_selector(object.selector(), checker);
  for (int i = 0; i < object.access_logging_size(); ++i)
    check_logging(object.access_logging(i), at_index("spec.accessLogging", i), checker);
  for (int i = 0; i < object.tracing_size(); ++i)
    check_tracing(object.tracing(i), at_index("spec.tracing", i), checker);
  for (int i = 0; i < object.metrics_size(); ++i)
    check_metrics(object.metrics(i), at_index("spec.metrics", i), checker);
}

}  // namespace mesh::config

#include "istio/telemetry/v1alpha1/telemetry.pb.h"

#include "base/text.h"
#include "config/log_expression.h"
#include "config/validate/validate.h"
#include "config/validate/workload_choice.h"
#include "telemetry/access_log.h"
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

constexpr size_t kSpanTagsMax = 32;
constexpr size_t kSpanTagBytesMax = 256;

void check_span_tag(const telemetry::Tracing::CustomTag& tag, const std::string& path,
                    Checker& checker) {
  using Tag = telemetry::Tracing::CustomTag;
  switch (tag.type_case()) {
    case Tag::kLiteral:
      checker.expect(!tag.literal().value().empty(), path + ".literal.value", "is empty");
      break;
    case Tag::kEnvironment:
      checker.expect(!tag.environment().name().empty(), path + ".environment.name", "is empty");
      break;
    case Tag::kHeader:
      checker.expect(is_field_name(tag.header().name()), path + ".header.name",
                     "expected the name of a header");
      break;
    case Tag::kFormatter: {
      if (tag.formatter().value().empty()) {
        checker.fail(path + ".formatter.value", "is empty");
        break;
      }
      const auto format = mesh::telemetry::AccessFormat::parse(
          tag.formatter().value(), mesh::telemetry::AccessFormat::Use::Header);
      if (!format) checker.fail(path + ".formatter.value", format.error().text);
      break;
    }
    default: checker.fail(path, "expected literal, environment, header or formatter");
  }
}

void check_tracing(const telemetry::Tracing& tracing, const std::string& path, Checker& checker) {
  if (tracing.has_random_sampling_percentage())
    checker.range(path + ".randomSamplingPercentage", tracing.random_sampling_percentage().value(),
                  0, 100);
  checker.expect(tracing.providers_size() <= 1, path + ".providers", "at most one");
  for (int i = 0; i < tracing.providers_size(); ++i)
    checker.expect(!tracing.providers(i).name().empty(), at_index(path + ".providers", i),
                   "expected the name of one of MeshConfig's extensionProviders");
  checker.expect(size_t(tracing.custom_tags_size()) <= kSpanTagsMax, path + ".customTags",
                 "at most " + std::to_string(kSpanTagsMax) + " tags");
  for (const auto& [name, tag] : tracing.custom_tags()) {
    const std::string at = at_key(path + ".customTags", name);
    checker.expect(!name.empty() && name.size() <= kSpanTagBytesMax, at,
                   "expected a name of 1 to " + std::to_string(kSpanTagBytesMax) + " bytes");
    check_span_tag(tag, at, checker);
  }
}

}  // namespace

void validate(const telemetry::Telemetry& object, Checker& checker) {
  check_workloads(object, checker);
  for (int i = 0; i < object.access_logging_size(); ++i)
    check_logging(object.access_logging(i), at_index("spec.accessLogging", i), checker);
  for (int i = 0; i < object.tracing_size(); ++i)
    check_tracing(object.tracing(i), at_index("spec.tracing", i), checker);
  for (int i = 0; i < object.metrics_size(); ++i)
    check_metrics(object.metrics(i), at_index("spec.metrics", i), checker);
}

}  // namespace mesh::config

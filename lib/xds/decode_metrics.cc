#include "xds/decode_metrics.h"

#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <string>

#include "xds/strict.h"

namespace mesh::xds {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using telemetry::MetricChoice;
using telemetry::MetricChoices;

Result<std::vector<MetricChoice::Tag>> decode_tags(const Struct& tags, const std::string& at) {
  if (size_t(tags.fields_size()) > telemetry::kTagsMax)
    return refuse(at, "are at most " + std::to_string(telemetry::kTagsMax));
  std::vector<MetricChoice::Tag> result;
  for (const auto& [name, value] : tags.fields()) {
    if (!telemetry::valid_tag_name(name) || name == "reporter")
      return refuse(path_of(at, name), "is the name of no tag");
    MetricChoice::Tag tag{name, std::nullopt};
    if (!value.has_null_value()) {
      auto parsed = telemetry::parse_tag_value(value.string_value());
      if (!parsed) return refuse(path_of(at, name), parsed.error().text);
      tag.value = *std::move(parsed);
    }
    result.push_back(std::move(tag));
  }
  // A map has no order of its own.
  std::sort(result.begin(), result.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return result;
}

Result<void> decode_metric(const std::string& name, const Value& value, const std::string& at,
                           MetricChoices& into) {
  telemetry::Metric metric{};
  if (!telemetry::find_metric(name, metric)) return refuse(at, "is no standard metric");
  MetricChoice& choice = into.of[size_t(metric)];
  for (const auto& [field, what] : value.struct_value().fields()) {
    if (field == "disabled") {
      choice.disabled = what.bool_value();
    } else if (field == "tags") {
      MESH_TRY(choice.tags, decode_tags(what.struct_value(), path_of(at, field)));
    } else {
      return refuse(path_of(at, field), "is not known");
    }
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const MetricChoices>> decode_metrics(
    const envoy::config::listener::v3::Listener& listener, std::string_view path) {
  const auto& all = listener.metadata().filter_metadata();
  const auto mesh = all.find("mesh");
  if (mesh == all.end()) return std::shared_ptr<const MetricChoices>();
  const auto metrics = mesh->second.fields().find("metrics");
  if (metrics == mesh->second.fields().end()) return std::shared_ptr<const MetricChoices>();
  const std::string at = path_of(path, "metadata.filter_metadata[\"mesh\"].metrics");
  auto choices = std::make_shared<MetricChoices>();
  for (const auto& [name, value] : metrics->second.struct_value().fields())
    MESH_TRY_VOID(decode_metric(name, value, path_of(at, name), *choices));
  if (auto gathered = choices->gather(); !gathered) return refuse(at, gathered.error().text);
  return std::shared_ptr<const MetricChoices>(std::move(choices));
}

}  // namespace mesh::xds

#include "discovery/compile/tracing.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "discovery/compile/build.h"
#include "discovery/compile/telemetry.h"
#include "envoy/config/trace/v3/trace.pb.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb.h"

namespace mesh::discovery {
namespace {

using envoy::config::trace::v3::OpenTelemetryConfig;
using envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;
using CustomTags = google::protobuf::RepeatedPtrField<envoy::type::tracing::v3::CustomTag>;
using Collector = v1::ExtensionProvider::OpenTelemetryTracingProvider;

constexpr Duration kHttpTimeout = std::chrono::seconds(3);  // Istio's

// What is said of each matter, the nearest word last.
struct Choice {
  bool said = false;
  std::string provider;
  bool silent = false;  // no spans
  std::optional<double> sampling;
  const istio_telemetry::Tracing* tags = nullptr;  // has them
  bool by_request_id = true;
  bool istio_tags = true;
  bool no_context = false;
};

Choice choose(const Model& model, const Node& node, Direction direction,
              const v1::MeshConfig& mesh) {
  Choice choice;
  if (mesh.default_providers().tracing_size() > 0)
    choice.provider = mesh.default_providers().tracing(0);
  for (const auto* const tracing : tracings(model, node, direction)) {
    choice.said = true;
    if (tracing->providers_size() > 0) choice.provider = tracing->providers(0).name();
    if (tracing->has_disable_span_reporting())
      choice.silent = tracing->disable_span_reporting().value();
    if (tracing->has_random_sampling_percentage())
      choice.sampling = tracing->random_sampling_percentage().value();
    if (!tracing->custom_tags().empty()) choice.tags = tracing;
    if (tracing->has_use_request_id_for_trace_sampling())
      choice.by_request_id = tracing->use_request_id_for_trace_sampling().value();
    if (tracing->has_enable_istio_tags()) choice.istio_tags = tracing->enable_istio_tags().value();
    if (tracing->has_disable_context_propagation())
      choice.no_context = tracing->disable_context_propagation().value();
  }
  return choice;
}

const Collector* collector_of(const v1::MeshConfig& mesh, const std::string& name) {
  for (const auto& provider : mesh.extension_providers())
    if (provider.name() == name && provider.has_opentelemetry()) return &provider.opentelemetry();
  return nullptr;
}

// As Istio: a share of those that nobody asked for.
void set_sampling(const Choice& choice, HttpManager& manager) {
  constexpr double kPercent = 1;
  auto& tracing = *manager.mutable_tracing();
  tracing.mutable_client_sampling()->set_value(100);
  tracing.mutable_overall_sampling()->set_value(100);
  tracing.mutable_random_sampling()->set_value(choice.sampling.value_or(kPercent));
  if (choice.by_request_id) return;
  UuidRequestIdConfig config;
  config.mutable_use_request_id_for_trace_sampling()->set_value(false);
  pack(config, *manager.mutable_request_id_extension()->mutable_typed_config());
}

const Labels& labels_of(const Model& model, const Node& node) {
  const Workload* const workload = model.workload_of(node);
  return workload == nullptr ? node.labels : workload->labels.get();
}

std::string label(const Labels& labels, const char* name) {
  const auto found = labels.find(name);
  return found == labels.end() ? "" : found->second;
}

// Istio: the app and its namespace.
std::string service_name(const Model& model, const Node& node) {
  std::string name = label(labels_of(model, node), "app");
  if (name.empty())
    name = node.workload.empty() ? node.id.substr(0, node.id.find('@')) : node.workload;
  return name + "." + node.ns;
}

void set_exporter(const Model& model, const Node& node, const Collector& from,
                  OpenTelemetryConfig& to) {
  if (from.service().empty()) {
    // Of no cluster's name: an Envoy takes it, makes contexts, and drops its spans.
    to.mutable_grpc_service()->mutable_envoy_grpc()->set_cluster_name("statsd");
    return;
  }
  const std::string host =
      model.resolve(from.service().substr(from.service().find('/') + 1), node.ns);
  const std::string cluster = outbound_name(from.port(), "", host);
  if (!from.has_http()) {
    auto& service = *to.mutable_grpc_service();
    service.mutable_envoy_grpc()->set_cluster_name(cluster);
    service.mutable_envoy_grpc()->set_authority(host);
    for (const auto& header : from.grpc().initial_metadata()) {
      auto& value = *service.add_initial_metadata();
      value.set_key(header.name());
      value.set_value(header.value());
    }
    return;
  }
  auto& service = *to.mutable_http_service();
  auto& uri = *service.mutable_http_uri();
  uri.set_uri("http://" + host + (from.http().path().empty() ? "/v1/traces" : from.http().path()));
  uri.set_cluster(cluster);
  set(kHttpTimeout, *uri.mutable_timeout());
  if (from.http().has_timeout()) *uri.mutable_timeout() = from.http().timeout();
  for (const auto& header : from.http().headers()) {
    auto& option = *service.add_request_headers_to_add();
    option.set_append_action(
        envoy::config::core::v3::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD);
    option.mutable_header()->set_key(header.name());
    option.mutable_header()->set_value(header.value());
  }
}

void add_literal(const char* name, std::string value, CustomTags& tags) {
  auto& tag = *tags.Add();
  tag.set_tag(name);
  tag.mutable_literal()->set_value(value.empty() ? "unknown" : std::move(value));
}

// In the order of their names, so that the same words give the same bytes.
void add_istio_tags(const Model& model, const Node& node, CustomTags& tags) {
  const Labels& labels = labels_of(model, node);
  std::string service = label(labels, "service.istio.io/canonical-name");
  if (service.empty()) service = label(labels, "app");
  if (service.empty()) service = node.workload;
  std::string revision = label(labels, "service.istio.io/canonical-revision");
  if (revision.empty()) revision = label(labels, "version");
  add_literal("istio.canonical_revision", revision.empty() ? "latest" : revision, tags);
  add_literal("istio.canonical_service", service, tags);
  add_literal("istio.cluster_id", "", tags);
  add_literal("istio.mesh_id", model.options().trust_domain, tags);
  add_literal("istio.namespace", node.ns, tags);
}

void add_tags(const istio_telemetry::Tracing& from, CustomTags& tags) {
  const std::map<std::string, istio_telemetry::Tracing::CustomTag> ordered(
      from.custom_tags().begin(), from.custom_tags().end());
  for (const auto& [name, tag] : ordered) {
    auto& to = *tags.Add();
    to.set_tag(name);
    switch (tag.type_case()) {
      case istio_telemetry::Tracing::CustomTag::kEnvironment:
        to.mutable_environment()->set_name(tag.environment().name());
        to.mutable_environment()->set_default_value(tag.environment().default_value());
        break;
      case istio_telemetry::Tracing::CustomTag::kHeader:
        to.mutable_request_header()->set_name(tag.header().name());
        to.mutable_request_header()->set_default_value(tag.header().default_value());
        break;
      case istio_telemetry::Tracing::CustomTag::kFormatter:
        to.set_value(tag.formatter().value());
        break;
      default: to.mutable_literal()->set_value(tag.literal().value()); break;
    }
  }
}

bool anybody_takes_spans(const Model& model) {
  const auto* const mesh = model.mesh_config();
  if (mesh == nullptr) return false;
  const auto& providers = mesh->spec.extension_providers();
  return std::any_of(providers.begin(), providers.end(),
                     [](const auto& provider) { return provider.has_opentelemetry(); });
}

// Of "outbound|80|v1|reviews" "reviews:80"; empty where it is no such name.
std::string destination_of(std::string_view cluster) {
  const auto parts = text::split(cluster, '|');
  if (parts.size() != 4 || parts[3].empty()) return {};
  return std::string(parts[3]) + ":" + std::string(parts[1]);
}

std::string path_of(const envoy::config::route::v3::RouteMatch& match) {
  using Match = envoy::config::route::v3::RouteMatch;
  switch (match.path_specifier_case()) {
    case Match::kPrefix: return match.prefix() + "*";
    case Match::kPath: return match.path();
    case Match::kSafeRegex: return match.safe_regex().regex();
    case Match::kPathSeparatedPrefix: return match.path_separated_prefix() + "*";
    default: return "/*";
  }
}

}  // namespace

void name_operations(const Model& model, envoy::config::route::v3::VirtualHost& host) {
  if (!anybody_takes_spans(model)) return;
  for (auto& route : *host.mutable_routes()) {
    std::string name = destination_of(route.route().cluster());
    if (name.empty()) name = host.name();
    route.mutable_decorator()->set_operation(name + path_of(route.match()));
  }
}

void add_tracing(const Model& model, const Node& node, Direction direction, HttpManager& manager) {
  const auto* const mesh = model.mesh_config();
  const v1::MeshConfig& config = mesh == nullptr ? v1::MeshConfig::default_instance() : mesh->spec;
  const Choice choice = choose(model, node, direction, config);
  const Collector* const collector =
      choice.silent ? nullptr : collector_of(config, choice.provider);
  if (choice.no_context || !(choice.said || config.enable_tracing() || collector != nullptr))
    return;
  set_sampling(choice, manager);
  if (collector == nullptr) return;
  auto& tracing = *manager.mutable_tracing();
  OpenTelemetryConfig provider;
  provider.set_service_name(service_name(model, node));
  set_exporter(model, node, *collector, provider);
  tracing.mutable_provider()->set_name("envoy.tracers.opentelemetry");
  pack(provider, *tracing.mutable_provider()->mutable_typed_config());
  if (collector->max_tag_length() > 0)
    tracing.mutable_max_path_tag_length()->set_value(collector->max_tag_length());
  if (choice.istio_tags) add_istio_tags(model, node, *tracing.mutable_custom_tags());
  if (choice.tags != nullptr) add_tags(*choice.tags, *tracing.mutable_custom_tags());
}

}  // namespace mesh::discovery

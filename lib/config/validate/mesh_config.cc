#include "mesh/v1/mesh_config.pb.h"

#include <set>

#include "config/validate/authorizer.h"
#include "config/validate/outbound_policy.h"
#include "config/validate/validate.h"

namespace mesh::config {
namespace {

using ::mesh::v1::ExtensionProvider;

void check_header(const ExtensionProvider::HttpHeader& header, const std::string& path,
                  Checker& checker) {
  checker.expect(is_field_name(header.name()), path + ".name", "expected the name of a header");
}

void check_collector(const ExtensionProvider::OpenTelemetryTracingProvider& collector,
                     const std::string& path, Checker& checker) {
  const std::string& service = collector.service();
  if (!service.empty())
    checker.host(path + ".service", service.substr(service.find('/') + 1), false);
  if (!service.empty() || collector.port() != 0) checker.port(path + ".port", collector.port());
  checker.expect(!service.empty() || collector.port() == 0, path + ".port", "goes with service");
  checker.expect(!collector.has_http() || !collector.has_grpc(), path + ".grpc",
                 "http and grpc exclude each other");
  const auto& http = collector.http();
  checker.expect(http.path().empty() || http.path().starts_with('/'), path + ".http.path",
                 "expected a path from /");
  if (http.has_timeout()) checker.duration(path + ".http.timeout", http.timeout(), false);
  for (int i = 0; i < http.headers_size(); ++i)
    check_header(http.headers(i), at_index(path + ".http.headers", i), checker);
  for (int i = 0; i < collector.grpc().initial_metadata_size(); ++i)
    check_header(collector.grpc().initial_metadata(i), at_index(path + ".grpc.initialMetadata", i),
                 checker);
}

void check_providers(const ::mesh::v1::MeshConfig& config, Checker& checker) {
  std::set<std::string> names;
  std::set<std::string> of_spans;
  for (int i = 0; i < config.extension_providers_size(); ++i) {
    const auto& provider = config.extension_providers(i);
    const std::string path = at_index("spec.extensionProviders", i);
    checker.label_name(path + ".name", provider.name());
    checker.expect(names.insert(provider.name()).second, path + ".name",
                   "another provider has the name");
    if (provider.has_opentelemetry()) {
      of_spans.insert(provider.name());
      check_collector(provider.opentelemetry(), path + ".opentelemetry", checker);
    } else if (!check_authorizer(provider, path, checker)) {
      checker.fail(path, "expected envoyExtAuthzHttp, envoyExtAuthzGrpc or opentelemetry");
    }
  }
  const auto& defaults = config.default_providers().tracing();
  const std::string path = "spec.defaultProviders.tracing";
  checker.expect(defaults.size() <= 1, path, "at most one");
  for (int i = 0; i < defaults.size(); ++i)
    checker.expect(of_spans.contains(defaults[i]), at_index(path, i),
                   "expected the name of one of extensionProviders that takes spans");
}

}  // namespace

void validate(const ::mesh::v1::MeshConfig& config, Checker& checker) {
  if (config.has_dns_refresh_rate()) {
    checker.duration("spec.dnsRefreshRate", config.dns_refresh_rate(), false);
    checker.expect(config.dns_refresh_rate().seconds() >= 1, "spec.dnsRefreshRate",
                   "expected at least 1s");
  }
  if (config.has_protocol_detection_timeout())
    checker.duration("spec.protocolDetectionTimeout", config.protocol_detection_timeout(), true);
  check_outbound_policy(config.outbound_traffic_policy(), checker);
  check_providers(config, checker);
}

}  // namespace mesh::config

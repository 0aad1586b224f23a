#include "cmd/forwarder/span_exporters.h"

#include "base/log.h"
#include "cli/version.h"
#include "opentelemetry/proto/trace/v1/trace.pb.h"
#include "otlp/grpc_sender.h"
#include "stats/spans.h"

namespace mesh::forwarder {

const xds::SpanCollector* SpanExporters::config_of(const std::string& cluster) const {
  const auto* const snapshot = forwarder_.snapshot();
  if (snapshot == nullptr || cluster.empty()) return nullptr;
  for (const auto& listener : snapshot->listeners)
    for (const auto& chain : listener.chains)
      if (const auto& spans = chain.config->spans; spans && spans->collector.cluster == cluster)
        return &spans->collector;
  return nullptr;
}

// As the configuration in use says; anew where that changed.
otlp::Exporter* SpanExporters::exporter_of(const std::string& cluster) {
  const auto* const config = config_of(cluster);
  if (config == nullptr) return nullptr;
  const auto& clusters = forwarder_.snapshot()->clusters;
  const auto found = clusters.find(cluster);
  const bool spoken = !config->http && found != clusters.end() &&
                      found->second->needs_tls == (found->second->tls != nullptr);
  if (!spoken) {
    if (std::exchange(refused_, cluster) != cluster)
      log::warning("spans cannot be exported",
                   {{"cluster", cluster},
                    {"why", config->http ? "without statsd only over gRPC"
                                         : "there is no such cluster, or no certificate yet"}});
    return nullptr;
  }
  const upstream::ClusterSpec& spec = *found->second;
  std::vector<net::Address> addresses;
  for (const auto& endpoint : spec.endpoints) addresses.push_back(endpoint.address);
  if (addresses.empty()) return nullptr;
  Collector& collector = collectors_[cluster];
  if (collector.exporter && collector.config == *config && collector.addresses == addresses &&
      collector.tls == spec.tls)
    return collector.exporter.get();
  otlp::GrpcSender::Options options;
  options.addresses = addresses;
  options.authority = config->authority.empty() ? cluster : config->authority;
  options.metadata = config->headers;
  if (spec.tls) options.tls = [tls = spec.tls] { return tls; };
  collector.config = *config;
  collector.addresses = std::move(addresses);
  collector.tls = spec.tls;
  collector.exporter = std::make_unique<otlp::Exporter>(
      loop_, std::make_unique<otlp::GrpcSender>(loop_, std::move(options)), kSpansMax);
  return collector.exporter.get();
}

size_t SpanExporters::report(const telemetry::SpanBatch& batch) {
  otlp::Exporter* const exporter = exporter_of(batch.collector());
  if (exporter == nullptr) return batch.size();
  opentelemetry::proto::trace::v1::ResourceSpans spans;
  stats::encode(batch, cli::kVersion, spans);
  const uint64_t before = exporter->counts().dropped;
  exporter->add(std::move(spans), batch.size());
  return size_t(exporter->counts().dropped - before);
}

}  // namespace mesh::forwarder

// SpanExporters: a forwarder without statsd exports its spans itself, by OTLP over gRPC to the
// cluster that the provider of a bootstrap names. Main thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "event/loop.h"
#include "forward/forwarder.h"
#include "otlp/exporter.h"

namespace mesh::forwarder {

class SpanExporters {
 public:
  static constexpr size_t kSpansMax = 8192;  // that wait for one collector

  SpanExporters(event::Loop& loop, forward::Forwarder& forwarder)  // both outlive us
      : loop_(loop), forwarder_(forwarder) {}

  // Returns how many spans of the batch are given up: all where a collector over
  // HTTP is named, or where the cluster has no endpoint.
  size_t report(const telemetry::SpanBatch& batch);

 private:
  struct Collector {
    xds::SpanCollector config;
    std::vector<net::Address> addresses;
    std::shared_ptr<const tls::Context> tls;
    std::unique_ptr<otlp::Exporter> exporter;
  };

  const xds::SpanCollector* config_of(const std::string& cluster) const;
  otlp::Exporter* exporter_of(const std::string& cluster);

  event::Loop& loop_;
  forward::Forwarder& forwarder_;
  std::map<std::string, Collector> collectors_;  // by cluster
  std::string refused_;                          // the cluster that was warned of last
};

}  // namespace mesh::forwarder

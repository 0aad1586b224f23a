// Prometheus: totals as the page that Prometheus fetches.
//
// Text format 0.0.4 (prometheus.io, "Exposition formats"), names and labels
// those of Istio's standard metrics; mesh-metrics(7) is the manual.
#pragma once

#include <string>

#include "telemetry/registry.h"

namespace mesh::telemetry {

inline constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";

// The whole page. Series come in the order of their labels.
std::string prometheus_page(const Snapshot& totals);

}  // namespace mesh::telemetry

// What a Listener's metadata says of Istio's standard metrics, for which Envoy has no
// name: filter_metadata["mesh"], field "metrics". Inside of lib/xds only.
//
//   metrics: { istio_requests_total: { disabled: true, tags: { NAME: EXPRESSION, NAME: null } } }
//
// A tag that is null is left out; expressions are those of telemetry/tag_value.h. A data
// plane that knows nothing of it leaves it alone, and has no such metrics.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "telemetry/metric_choices.h"

namespace mesh::xds {

// Null: nothing. Errors name the field.
Result<std::shared_ptr<const telemetry::MetricChoices>> decode_metrics(
    const envoy::config::listener::v3::Listener& listener, std::string_view path);

}  // namespace mesh::xds

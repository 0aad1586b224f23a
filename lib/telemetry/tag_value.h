// TagValue: what a tag that the configuration adds to a standard metric says.
//
// A part of CEL (istio.io, "Customizing Istio Metrics with Telemetry API"):
//   'TEXT' or "TEXT"
//   request.method .host .scheme .protocol .url_path .useragent, request.headers['NAME']
//   response.code, response.grpc_status, destination.port, connection.mtls
//   xds.cluster_name, xds.route_name
//   downstream_peer.NAME, upstream_peer.NAME: workload, namespace, app, version, cluster,
//     service, revision, principal
// each also in string( ). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "telemetry/labels.h"

namespace mesh::telemetry {

struct TagValue {
  enum class Kind : uint8_t {
    Text,       // `text` itself
    Label,      // as the standard label `label`
    MutualTls,  // "true" where connection_security_policy is mutual_tls, else "false"
    // Of the request, and known only while it lasts.
    Method,
    Host,
    Scheme,
    Protocol,
    UrlPath,  // without the query
    Header,   // `text`, in lower case; the first of several
    DestinationPort,
    ClusterName,
    RouteName,
  } kind = Kind::Text;
  Label label = Label::Reporter;
  std::string text = {};

  bool of_request() const { return kind >= Kind::Method; }
  // What it is of the request, "request.method"; never the name of a tag.
  std::string key() const;
  auto operator<=>(const TagValue&) const = default;
};

// Errc::Invalid says what was expected.
Result<TagValue> parse_tag_value(std::string_view expression);

}  // namespace mesh::telemetry

// What may be said of whom a rule is for and where it leads: claims of tokens, hosts by
// wildcard, exportTo, the caller's own choice, credentials. mesh-config(5), "KINDS".
#include "unit/config/said.h"

using namespace mesh;
using testing::Saying;

namespace {

constexpr const char* kNetworking = "networking.istio.io/v1";

}  // namespace

TEST_CASE("object: claims in a VirtualService", "[config]") {
  const auto match = [](const std::string& m) {
    return "hosts: [a], http: [{route: [{destination: {host: b}}], match: [{" + m + "}]}]";
  };
  const Saying rows[] = {
      {"a claim", match("headers: {\"@request.auth.claims[a]\": {exact: x}}"), ""},
      {"its other form", match("headers: {\"@Request.Auth.Claims.a.b\": {regex: x.*}}"), ""},
      {"a claim within one",
       match("withoutHeaders: {\"@request.auth.claims[a][b.c]\": {prefix: x}}"), ""},
      {"what is no claim", match("headers: {\"@request.auth.sub\": {exact: x}}"),
       "spec.http[0].match[0].headers[\"@request.auth.sub\"]: expected @request.auth.claims[NAME], "
       "[NAME][NAME] of a claim within one, or the name of a header"},
      {"a claim without a name", match("headers: {\"@request.auth.claims[a][]\": {exact: x}}"),
       "spec.http[0].match[0].headers[\"@request.auth.claims[a][]\"]: expected "
       "@request.auth.claims[NAME], [NAME][NAME] of a claim within one, or the name of a header"},
      {"a claim without a value", match("headers: {\"@request.auth.claims[a]\": {}}"),
       "spec.http[0].match[0].headers[\"@request.auth.claims[a]\"]: expected exact, prefix or "
       "regex, not empty"},
      {"a destination by wildcard",
       "hosts: [a], http: [{route: [{destination: {host: \"*.b.example\"}}]}]", ""},
      {"every host as a destination", "hosts: [a], http: [{route: [{destination: {host: \"*\"}}]}]",
       "spec.http[0].route[0].destination.host: expected a host name, got \"*\""},
  };
  testing::check_sayings(kNetworking, "VirtualService", rows);
}

TEST_CASE("object: hosts of a ServiceEntry, and who sees it", "[config]") {
  const std::string ports = ", ports: [{number: 80, name: http, protocol: HTTP}]";
  const Saying rows[] = {
      {"a wildcard of endpoints",
       "hosts: [\"*.a\"], resolution: STATIC, endpoints: [{address: 10.0.0.1}]" + ports, ""},
      {"a wildcard of what callers choose", "hosts: [\"*.a\", b]" + ports, ""},
      {"a wildcard with a name",
       "hosts: [\"*.a\"], resolution: DNS, endpoints: [{address: b.example}]" + ports, ""},
      {"a wildcard as a name", "hosts: [\"*.a\"], resolution: DNS" + ports,
       "spec.hosts[0]: a wildcard is no name that DNS knows: name each host, give endpoints, or "
       "use "
       "resolution NONE, where connections are captured"},
      {"all hosts", "hosts: [\"*\"]" + ports,
       "spec.hosts[0]: expected a host or *.SUFFIX; where all other hosts lead, "
       "outboundTrafficPolicy says"},
      {"a part of a label", "hosts: [\"*a.example\"]" + ports,
       "spec.hosts[0]: expected a host name, got \"*a.example\""},
      {"exported to nobody", "hosts: [a], exportTo: [\"~\"]" + ports, ""},
      {"exported to nobody, and somebody", "hosts: [a], exportTo: [\"~\", b]" + ports,
       "spec.exportTo[0]: \"~\" stands alone"},
  };
  testing::check_sayings(kNetworking, "ServiceEntry", rows);
}

TEST_CASE("object: whom a DestinationRule is for, and what it leaves to callers", "[config]") {
  const auto policy = [](const std::string& p) { return "host: a, trafficPolicy: {" + p + "}"; };
  const Saying rows[] = {
      {"hosts of a domain", "host: \"*.a.example\"", ""},
      {"exported to nobody", "host: a, exportTo: [\"~\"]",
       "spec.exportTo[0]: \"~\" is for a ServiceEntry; what nobody is to use is left out"},
      {"the caller's choice", policy("loadBalancer: {simple: PASSTHROUGH}"), ""},
      {"the caller's choice of who is well",
       policy("loadBalancer: {simple: PASSTHROUGH}, outlierDetection: {}"),
       "spec.trafficPolicy.outlierDetection: does nothing with PASSTHROUGH: callers choose the "
       "endpoint"},
      {"the caller's choice of the near",
       policy("loadBalancer: {simple: PASSTHROUGH, localityLbSetting: {}}"),
       "spec.trafficPolicy.loadBalancer.localityLbSetting: does nothing with PASSTHROUGH: callers "
       "choose"},
      {"a credential", policy("tls: {mode: MUTUAL, credentialName: c}"), ""},
      {"a credential and a file",
       policy("tls: {mode: SIMPLE, credentialName: c, caCertificates: /ca.pem}"),
       "spec.trafficPolicy.tls.credentialName: stands for clientCertificate, privateKey, "
       "caCertificates and caCrl"},
      {"a credential for nothing", policy("tls: {mode: ISTIO_MUTUAL, credentialName: c}"),
       "spec.trafficPolicy.tls.credentialName: is for modes SIMPLE and MUTUAL"},
  };
  testing::check_sayings(kNetworking, "DestinationRule", rows);
}

// What rules for traffic may say, to the last field: mesh-config(5), "KINDS".
#include "unit/config/said.h"

using namespace mesh;
using testing::Saying;

TEST_CASE(
    "object: callers, pings, errors, budgets, zones, cookies and tunnels of a DestinationRule",
    "[config]") {
  const Saying rows[] = {
      {"revoked certificates", "host: a, trafficPolicy: {tls: {mode: SIMPLE, caCrl: /etc/crl.pem}}",
       ""},
      {"revoked certificates beside a credential",
       "host: a, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c, caCrl: /crl.pem}}",
       "spec.trafficPolicy.tls.credentialName: stands for clientCertificate, privateKey, "
       "caCertificates and caCrl"},
      {"revoked certificates of the mesh",
       "host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, caCrl: /crl.pem}}",
       "spec.trafficPolicy.tls.caCrl: is for modes SIMPLE and MUTUAL"},
      {"callers of some labels",
       "host: a, exportTo: [.], workloadSelector: {matchLabels: {app: web}}", ""},
      {"callers of other namespaces",
       "host: a, exportTo: ['*'], workloadSelector: {matchLabels: {app: web}}",
       "spec.exportTo: with a workloadSelector expected [.], its own namespace"},
      {"pings",
       "host: a, trafficPolicy: {connectionPool: {http: {http2KeepAlive: {interval: 30s, "
       "timeout: 5s}}}}",
       ""},
      {"pings without an answer's time",
       "host: a, trafficPolicy: {connectionPool: {http: {http2KeepAlive: {interval: 30s}}}}",
       "spec.trafficPolicy.connectionPool.http.http2KeepAlive.timeout: expected a duration"},
      {"statuses that are errors",
       "host: a, trafficPolicy: {outlierDetection: {outlierDetectionHttpErrorCodes: [404, 600]}}",
       "spec.trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes[1]: expected a number "
       "from 100 to 599"},
      {"a budget's interval", "host: a, trafficPolicy: {retryBudget: {budgetInterval: 10s}}", ""},
      {"attributes of a cookie",
       "host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: c, attributes: "
       "[{name: SameSite, value: Lax}, {name: samesite}]}}}}",
       "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes[1].name: the "
       "attribute samesite is there twice"},
      {"an attribute that is two",
       "host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: c, attributes: "
       "[{name: SameSite, value: 'Lax; Secure'}]}}}}",
       "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes[0].value: expected "
       "visible characters without a semicolon"},
      {"a cookie that is two",
       "host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: a=b, path: "
       "'/;'}}}}",
       "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.name: expected the name of a "
       "cookie\n"
       "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.path: expected a path of visible "
       "characters without a semicolon"},
      {"a file that no forwarder finds by its name",
       "host: a, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: /a~b.pem}}",
       "spec.trafficPolicy.tls.caCertificates: expected a file without ~ in its name"},
      {"a server's name without end",
       "host: a, trafficPolicy: {tls: {mode: SIMPLE, sni: " + std::string(256, 'a') + "}}",
       "spec.trafficPolicy.tls.sni: longer than 255 bytes"},
      {"zones",
       "host: a, trafficPolicy: {loadBalancer: {zoneAwareLbSetting: {minClusterSize: 3, "
       "failover: [{from: eu, to: us}], failoverPriority: [disk=ssd]}}}",
       ""},
      {"zones and localities",
       "host: a, trafficPolicy: {loadBalancer: {zoneAwareLbSetting: {}, localityLbSetting: {}}}",
       "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting: does not go with localityLbSetting: "
       "give one of both"},
      {"zones by their label",
       "host: a, trafficPolicy: {loadBalancer: {zoneAwareLbSetting: {failoverPriority: "
       "[topology.kubernetes.io/zone]}}}",
       "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting.failoverPriority[0]: regions and zones "
       "are looked at in any case: expected another label"},
      {"a tunnel",
       "host: a, subsets: [{name: v1, trafficPolicy: {tunnel: {protocol: CONNECT, targetHost: "
       "10.0.0.1, targetPort: 5432}}}]",
       ""},
      {"a tunnel by POST",
       "host: a, trafficPolicy: {tunnel: {protocol: POST, targetHost: db.example, targetPort: 1}}",
       "spec.trafficPolicy.tunnel.protocol: not supported: POST; use CONNECT"},
      {"a tunnel to nowhere", "host: a, trafficPolicy: {tunnel: {targetHost: db.example}}",
       "spec.trafficPolicy.tunnel.targetPort: expected a port from 1 to 65535, got 0"},
  };
  testing::check_sayings("networking.istio.io/v1", "DestinationRule", rows);
}

// What WorkloadGroups may say: mesh-config(5), "KINDS".
#include "unit/config/said.h"

using namespace mesh;
using testing::Saying;

TEST_CASE("object: WorkloadGroup", "[config]") {
  const std::string least = "template: {serviceAccount: reviews}";
  const auto probe = [&](const std::string& p) { return least + ", probe: {" + p + "}"; };
  const Saying rows[] = {
      {"the least", least, ""},
      {"all of it",
       "metadata: {labels: {app: reviews}, annotations: {a: b}}, template: {ports: {http: 8080}, "
       "labels: {version: v1}, serviceAccount: reviews, locality: eu/1, weight: 2}, probe: "
       "{initialDelaySeconds: 5, timeoutSeconds: 3, periodSeconds: 4, successThreshold: 1, "
       "failureThreshold: 3, httpGet: {path: /ready, port: 8080, host: 127.0.0.1, scheme: HTTPS, "
       "httpHeaders: [{name: x-a, value: b}]}}",
       ""},
      {"no template", "metadata: {}",
       "spec.template: expected a mapping, such as serviceAccount and labels"},
      {"an address", "template: {address: 10.0.0.1}",
       "spec.template.address: belongs to an instance, which registers with its own"},
      {"a label", "template: {labels: {app: a b}}",
       "spec.template.labels[\"app\"]: expected a label's value of letters, digits, -, _ and ., at "
       "most 63 bytes, got \"a b\""},
      {"a probe of nothing", probe("periodSeconds: 1"),
       "spec.probe: expected httpGet, tcpSocket, grpc or exec"},
      {"a probe without a port", probe("tcpSocket: {}"),
       "spec.probe.tcpSocket.port: expected a port from 1 to 65535, got 0"},
      {"two probes", probe("tcpSocket: {port: 1}, grpc: {port: 1}"),
       "spec.probe: \"grpc\" excludes \"tcpSocket\", which is there too"},
      {"a command of nothing", probe("exec: {command: []}"),
       "spec.probe.exec.command: expected a command and its arguments"},
      {"a period backwards", probe("periodSeconds: -1, grpc: {port: 1}"),
       "spec.probe.periodSeconds: expected a number from 0 to 86400"},
      {"a scheme", probe("httpGet: {port: 1, scheme: ftp}"),
       "spec.probe.httpGet.scheme: expected HTTP or HTTPS, got \"ftp\""},
  };
  testing::check_sayings("networking.istio.io/v1", "WorkloadGroup", rows);
}

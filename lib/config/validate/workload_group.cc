#include "base/text.h"
#include "config/validate/validate.h"
#include "istio/networking/v1alpha3/workload_group.pb.h"

namespace mesh::config {
namespace {

using namespace ::istio::networking::v1alpha3;

void check_http(const HTTPHealthCheckConfig& http, const std::string& path, Checker& checker) {
  checker.port(path + ".port", http.port());
  checker.expect(http.path().empty() || http.path().starts_with('/'), path + ".path",
                 "expected a path that begins with /");
  checker.expect(http.scheme().empty() || text::iequals(http.scheme(), "http"), path + ".scheme",
                 "not supported: " + http.scheme() + "; use HTTP, or tcpSocket");
  checker.expect(http.host().empty(), path + ".host",
                 "not supported: the instance's own application is asked; for the header, use "
                 "httpHeaders with name: Host");
  for (int i = 0; i < http.http_headers_size(); ++i)
    checker.expect(is_field_name(http.http_headers(i).name()),
                   at_index(path + ".httpHeaders", i) + ".name", "expected the name of a header");
}

void check_probe(const ReadinessProbe& probe, Checker& checker) {
  const std::string path = "spec.probe";
  constexpr int kSecondsMax = 86'400;
  checker.range(path + ".initialDelaySeconds", probe.initial_delay_seconds(), 0, kSecondsMax);
  checker.range(path + ".timeoutSeconds", probe.timeout_seconds(), 0, kSecondsMax);
  checker.range(path + ".periodSeconds", probe.period_seconds(), 0, kSecondsMax);
  checker.range(path + ".successThreshold", probe.success_threshold(), 0, 1000);
  checker.range(path + ".failureThreshold", probe.failure_threshold(), 0, 1000);
  switch (probe.health_check_method_case()) {
    case ReadinessProbe::kHttpGet: return check_http(probe.http_get(), path + ".httpGet", checker);
    case ReadinessProbe::kTcpSocket:
      checker.expect(probe.tcp_socket().host().empty(), path + ".tcpSocket.host",
                     "not supported: the instance's own application is asked");
      checker.port(path + ".tcpSocket.port", probe.tcp_socket().port());
      return;
    case ReadinessProbe::kExec:
      return checker.fail(path + ".exec",
                          "not supported: commands; use httpGet, tcpSocket or grpc");
    case ReadinessProbe::kGrpc: checker.port(path + ".grpc.port", probe.grpc().port()); return;
    case ReadinessProbe::HEALTH_CHECK_METHOD_NOT_SET:
      checker.fail(path, "expected httpGet, tcpSocket or grpc");
  }
}

}  // namespace

void validate(const WorkloadGroup& group, Checker& checker) {
  checker.labels("spec.metadata.labels", group.metadata().labels());
  if (checker.expect(group.has_template_(), "spec.template",
                     "expected a mapping, such as serviceAccount and labels")) {
    checker.expect(group.template_().address().empty(), "spec.template.address",
                   "belongs to an instance, which registers with its own");
    WorkloadEntry entry = group.template_();
    entry.set_address("127.0.0.1");  // the rest is judged as any entry's
    validate(entry, "spec.template", checker);
  }
  if (group.has_probe()) check_probe(group.probe(), checker);
}

}  // namespace mesh::config

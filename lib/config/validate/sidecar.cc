#include <set>

#include "base/text.h"
#include "config/validate/connection_pool.h"
#include "config/validate/outbound_policy.h"
#include "config/validate/server_tls.h"
#include "istio/networking/v1alpha3/sidecar.pb.h"

namespace mesh::config {
namespace {

using ::istio::networking::v1alpha3::IstioEgressListener;
using ::istio::networking::v1alpha3::Sidecar;
namespace pb = ::istio::networking::v1alpha3;

constexpr std::string_view kUnix = "unix://";

// 127.0.0.1:8080, [::1]:8080, unix:///run/app.sock, unix://@app.
bool is_endpoint(const std::string& text) {
  if (text.starts_with(kUnix)) {
    const std::string_view path = std::string_view(text).substr(kUnix.size());
    return path.size() > 1 && path.size() < 108 && (path[0] == '/' || path[0] == '@');
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  std::string host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto port = text::parse_uint(std::string_view(text).substr(colon + 1), 65535);
  return is_ip_address(host) && bracketed == (host.find(':') != std::string::npos) && port &&
         *port != 0;
}

void check_ingress(const Sidecar& sidecar, Checker& checker) {
  checker.expect(sidecar.ingress_size() == 0 || !sidecar.workload_selector().labels().empty(),
                 "spec.ingress",
                 "needs a workloadSelector: an application's address belongs to one workload");
  std::set<std::pair<std::string, uint32_t>> ports;
  for (int i = 0; i < sidecar.ingress_size(); ++i) {
    const auto& ingress = sidecar.ingress(i);
    const std::string path = at_index("spec.ingress", i);
    if (checker.port(path + ".port.number", ingress.port().number()))
      checker.expect(ports.emplace(ingress.bind(), ingress.port().number()).second,
                     path + ".port.number",
                     "port " + std::to_string(ingress.port().number()) + " is there twice");
    checker.protocol(path + ".port.protocol", ingress.port().protocol());
    if (!ingress.port().name().empty())
      checker.label_name(path + ".port.name", ingress.port().name());
    if (!ingress.bind().empty()) checker.ip_address(path + ".bind", ingress.bind());
    if (ingress.has_tls()) {
      const std::string protocol = text::to_lower(ingress.port().protocol());
      checker.expect(protocol == "https" || protocol == "tls", path + ".tls",
                     "is for protocols HTTPS and TLS");
      check_ingress_tls(ingress.tls(), path + ".tls", checker);
    }
    check_connection_pool(ingress.connection_pool(), path + ".connectionPool", checker);
    checker.expect(ingress.default_endpoint().empty() || is_endpoint(ingress.default_endpoint()),
                   path + ".defaultEndpoint",
                   "expected the application's address, 127.0.0.1:PORT or unix:///PATH, got " +
                       text::quoted(ingress.default_endpoint()));
  }
}

// A listener of its own: where it is bound, and that nothing else is.
void check_egress_port(const IstioEgressListener& egress, const std::string& path,
                       std::set<std::string>& places, Checker& checker) {
  const std::string& bind = egress.bind();
  if (!egress.has_port()) {
    checker.expect(bind.empty(), path + ".bind", "needs a port");
    checker.expect(egress.capture_mode() == pb::DEFAULT, path + ".captureMode", "needs a port");
    return;
  }
  checker.expect(egress.capture_mode() != pb::IPTABLES, path + ".captureMode",
                 "not supported: IPTABLES for one port; what is captured is captured at all ports");
  checker.protocol(path + ".port.protocol", egress.port().protocol());
  if (!egress.port().name().empty()) checker.label_name(path + ".port.name", egress.port().name());
  std::string place = bind;
  if (bind.starts_with(kUnix)) {
    checker.expect(is_endpoint(bind), path + ".bind", "expected unix:///PATH");
    const std::string protocol = text::to_lower(egress.port().protocol());
    checker.expect(protocol == "http" || protocol == "http2" || protocol.starts_with("grpc"),
                   path + ".port.protocol", "expected HTTP, HTTP2 or GRPC on a path");
  } else if (checker.port(path + ".port.number", egress.port().number())) {
    if (!bind.empty()) checker.ip_address(path + ".bind", bind);
    place = (bind.empty() ? "127.0.0.1" : bind) + "_" + std::to_string(egress.port().number());
  }
  checker.expect(places.insert(place).second, path + ".port.number",
                 "another egress listener has the same bind and port");
}

void check_egress(const Sidecar& sidecar, Checker& checker) {
  std::set<std::string> places;
  for (int i = 0; i < sidecar.egress_size(); ++i)
    check_egress_port(sidecar.egress(i), at_index("spec.egress", i), places, checker);
  for (int i = 0; i < sidecar.egress_size(); ++i) {
    const std::string path = at_index("spec.egress", i) + ".hosts";
    const auto& hosts = sidecar.egress(i).hosts();
    checker.expect(!hosts.empty(), path, "expected at least one NAMESPACE/HOST");
    for (int j = 0; j < hosts.size(); ++j) {
      const size_t slash = hosts[j].find('/');
      if (!checker.expect(slash != std::string::npos, at_index(path, j),
                          "expected NAMESPACE/HOST, got " + text::quoted(hosts[j])))
        continue;
      const std::string ns = hosts[j].substr(0, slash);
      if (ns != "." && ns != "*" && ns != "~") checker.label_name(at_index(path, j), ns);
      checker.host(at_index(path, j), hosts[j].substr(slash + 1), true);
    }
  }
}

}  // namespace

void validate(const Sidecar& sidecar, Checker& checker) {
  if (sidecar.has_workload_selector()) {
    checker.expect(!sidecar.workload_selector().labels().empty(), "spec.workloadSelector",
                   "expected labels");
    checker.labels("spec.workloadSelector.labels", sidecar.workload_selector().labels());
  }
  checker.expect(sidecar.ingress_size() + sidecar.egress_size() > 0 ||
                     sidecar.has_outbound_traffic_policy() || sidecar.has_inbound_connection_pool(),
                 "spec",
                 "expected ingress, egress, outboundTrafficPolicy or inboundConnectionPool");
  check_connection_pool(sidecar.inbound_connection_pool(), "spec.inboundConnectionPool", checker);
  check_outbound_policy(sidecar.outbound_traffic_policy(), checker);
  check_ingress(sidecar, checker);
  check_egress(sidecar, checker);
}

}  // namespace mesh::config

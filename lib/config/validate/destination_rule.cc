#include <set>

#include "base/text.h"
#include "config/validate/connection_pool.h"
#include "config/validate/load_balancer.h"
#include "config/validate/validate.h"
#include "istio/networking/v1alpha3/destination_rule.pb.h"

namespace mesh::config {
namespace {

using namespace ::istio::networking::v1alpha3;

void check_outlier(const OutlierDetection& outlier, const std::string& path, Checker& checker) {
  if (outlier.has_interval()) checker.duration(path + ".interval", outlier.interval(), false);
  if (outlier.has_base_ejection_time())
    checker.duration(path + ".baseEjectionTime", outlier.base_ejection_time(), false);
  checker.range(path + ".maxEjectionPercent", outlier.max_ejection_percent(), 0, 100);
  checker.range(path + ".minHealthPercent", outlier.min_health_percent(), 0, 100);
  checker.expect(!outlier.has_consecutive_local_origin_failures() ||
                     outlier.split_external_local_origin_errors(),
                 path + ".consecutiveLocalOriginFailures",
                 "needs splitExternalLocalOriginErrors: true");
  const auto& codes = outlier.outlier_detection_http_error_codes();
  for (int i = 0; i < codes.size(); ++i)
    checker.range(at_index(path + ".outlierDetectionHttpErrorCodes", i), codes[i], 100, 599);
}

void check_tls(const ClientTLSSettings& tls, const std::string& path, Checker& checker) {
  const bool own = tls.mode() == ClientTLSSettings::MUTUAL;
  const bool others = own || tls.mode() == ClientTLSSettings::SIMPLE;
  const std::string& credential = tls.credential_name();
  if (!credential.empty()) {
    const std::string at = path + ".credentialName";
    checker.dns_name(at, credential);
    checker.expect(others, at, "is for modes SIMPLE and MUTUAL");
    checker.expect(tls.client_certificate().empty() && tls.private_key().empty() &&
                       tls.ca_certificates().empty() && tls.ca_crl().empty(),
                   at, "stands for clientCertificate, privateKey, caCertificates and caCrl");
  } else {
    checker.expect(
        tls.client_certificate().empty() != own, path + ".clientCertificate",
        own ? "mode MUTUAL shows a certificate: expected its file" : "is for mode MUTUAL");
    checker.expect(
        tls.private_key().empty() != own, path + ".privateKey",
        own ? "mode MUTUAL needs the certificate's key: expected its file" : "is for mode MUTUAL");
  }
  checker.expect(others || tls.ca_certificates().empty(), path + ".caCertificates",
                 "is for modes SIMPLE and MUTUAL");
  checker.expect(others || tls.ca_crl().empty(), path + ".caCrl", "is for modes SIMPLE and MUTUAL");
  checker.expect(others || !tls.has_insecure_skip_verify(), path + ".insecureSkipVerify",
                 "is for modes SIMPLE and MUTUAL");
  for (const auto& [field, file] :
       {std::pair("clientCertificate", &tls.client_certificate()),
        std::pair("privateKey", &tls.private_key()),
        std::pair("caCertificates", &tls.ca_certificates()), std::pair("caCrl", &tls.ca_crl())}) {
    checker.expect(file->empty() || file->starts_with('/'), path + "." + field,
                   "expected the absolute path of a file on the forwarder's host");
    checker.expect(file->find('~') == std::string::npos, path + "." + field,
                   "expected a file without ~ in its name");
  }
  checker.expect(tls.sni().size() <= 255, path + ".sni", "longer than 255 bytes");
  if (tls.insecure_skip_verify().value())
    checker.expect(
        tls.ca_certificates().empty() && tls.ca_crl().empty() && tls.subject_alt_names().empty(),
        path + ".insecureSkipVerify",
        "verifies nothing: caCertificates, caCrl and subjectAltNames contradict it");
  const bool set = tls.subject_alt_names_size() > 0 || !tls.sni().empty();
  checker.expect(!set || tls.mode() != ClientTLSSettings::DISABLE, path,
                 "mode DISABLE, the default, has neither sni nor subjectAltNames");
  for (int i = 0; i < tls.subject_alt_names_size(); ++i)
    checker.expect(!tls.subject_alt_names(i).empty(), at_index(path + ".subjectAltNames", i),
                   "expected a name");
}

// What a policy and a port's policy have in common.
template <class Policy>
void check_members(const Policy& policy, const std::string& path, Checker& checker) {
  check_load_balancer(policy.load_balancer(), path + ".loadBalancer", checker);
  check_connection_pool(policy.connection_pool(), path + ".connectionPool", checker);
  check_outlier(policy.outlier_detection(), path + ".outlierDetection", checker);
  checker.expect(policy.load_balancer().simple() != LoadBalancerSettings::PASSTHROUGH ||
                     !policy.has_outlier_detection(),
                 path + ".outlierDetection",
                 "does nothing with PASSTHROUGH: callers choose the endpoint");
  if (policy.has_tls()) check_tls(policy.tls(), path + ".tls", checker);
}

void check_tunnel(const TrafficPolicy& policy, const std::string& path, Checker& checker) {
  if (!policy.has_tunnel()) return;
  const auto& tunnel = policy.tunnel();
  checker.expect(
      tunnel.protocol().empty() || tunnel.protocol() == "CONNECT", path + ".protocol",
      tunnel.protocol() == "POST" ? "not supported: POST; use CONNECT" : "expected CONNECT");
  const std::string& host = tunnel.target_host();
  if (!is_ip_address(host)) checker.host(path + ".targetHost", host, false);
  checker.port(path + ".targetPort", tunnel.target_port());
  checker.expect(!policy.has_proxy_protocol(), path, "does not go with proxyProtocol");
}

void check_policy(const TrafficPolicy& policy, const std::string& path, Checker& checker) {
  check_members(policy, path, checker);
  std::set<uint32_t> ports;
  for (int i = 0; i < policy.port_level_settings_size(); ++i) {
    const auto& settings = policy.port_level_settings(i);
    const std::string at = at_index(path + ".portLevelSettings", i);
    if (checker.port(at + ".port.number", settings.port().number()))
      checker.expect(ports.insert(settings.port().number()).second, at + ".port.number",
                     "port " + std::to_string(settings.port().number()) + " is there twice");
    check_members(settings, at, checker);
  }
  check_tunnel(policy, path + ".tunnel", checker);
  if (policy.retry_budget().has_percent())
    checker.range(path + ".retryBudget.percent", policy.retry_budget().percent().value(), 0, 100);
  if (policy.retry_budget().has_budget_interval())
    checker.duration(path + ".retryBudget.budgetInterval", policy.retry_budget().budget_interval(),
                     true);
}

// Istio: a rule for some workloads is for those of its own namespace.
void check_selector(const DestinationRule& rule, Checker& checker) {
  const std::string path = "spec.workloadSelector.matchLabels";
  const auto& labels = rule.workload_selector().match_labels();
  checker.labels(path, labels);
  if (labels.empty()) checker.warn(path, "is empty: all workloads of the namespace are meant");
  checker.expect(
      rule.export_to_size() == 0 || (rule.export_to_size() == 1 && rule.export_to(0) == "."),
      "spec.exportTo", "with a workloadSelector expected [.], its own namespace");
}

}  // namespace

void validate(const DestinationRule& rule, Checker& checker) {
  if (rule.host().empty())
    checker.fail("spec.host", "expected a host");
  else
    checker.host("spec.host", rule.host(), true);
  check_policy(rule.traffic_policy(), "spec.trafficPolicy", checker);
  std::set<std::string> names;
  for (int i = 0; i < rule.subsets_size(); ++i) {
    const Subset& subset = rule.subsets(i);
    const std::string path = at_index("spec.subsets", i);
    if (subset.name().empty())
      checker.fail(path + ".name", "expected a name");
    else if (checker.label_name(path + ".name", subset.name()))
      checker.expect(names.insert(subset.name()).second, path + ".name",
                     "the subset " + subset.name() + " is there twice");
    checker.labels(path + ".labels", subset.labels());
    check_policy(subset.traffic_policy(), path + ".trafficPolicy", checker);
  }
  checker.export_to("spec.exportTo", rule.export_to());
  if (rule.has_workload_selector()) check_selector(rule, checker);
}

}  // namespace mesh::config

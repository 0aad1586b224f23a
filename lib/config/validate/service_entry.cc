#include <set>

#include "base/text.h"
#include "config/validate/validate.h"
#include "istio/networking/v1alpha3/service_entry.pb.h"

namespace mesh::config {
namespace {

using ::istio::networking::v1alpha3::ServiceEntry;
using ::istio::networking::v1alpha3::WorkloadEntry;

void check_ports(const ServiceEntry& service, Checker& checker) {
  checker.expect(service.ports_size() > 0, "spec.ports", "expected at least one port");
  std::set<uint32_t> numbers;
  std::set<std::string> names;
  for (int i = 0; i < service.ports_size(); ++i) {
    const auto& port = service.ports(i);
    const std::string path = at_index("spec.ports", i);
    if (checker.port(path + ".number", port.number()))
      checker.expect(numbers.insert(port.number()).second, path + ".number",
                     "port " + std::to_string(port.number()) + " is there twice");
    if (port.name().empty())
      checker.fail(path + ".name", "expected a name");
    else if (checker.label_name(path + ".name", port.name()))
      checker.expect(names.insert(port.name()).second, path + ".name",
                     "the name " + port.name() + " is there twice");
    checker.protocol(path + ".protocol", port.protocol());
    if (port.target_port() != 0) checker.port(path + ".targetPort", port.target_port());
  }
}

// "10.0.0.1" or "10.0.0.0/24".
bool is_address_or_net(const std::string& text) {
  const size_t slash = text.find('/');
  if (!is_ip_address(text.substr(0, slash))) return false;
  if (slash == std::string::npos) return true;
  const uint64_t longest = text.find(':') == std::string::npos ? 32 : 128;
  return bool(text::parse_uint(text.substr(slash + 1), longest));
}

bool by_name(const ServiceEntry& service) {
  return service.resolution() == ServiceEntry::DNS ||
         service.resolution() == ServiceEntry::DNS_ROUND_ROBIN;
}

void check_host(const ServiceEntry& service, const std::string& host, const std::string& path,
                Checker& checker) {
  if (host == "*")
    return checker.fail(path,
                        "expected a host or *.SUFFIX; where all other hosts lead, "
                        "outboundTrafficPolicy says");
  if (!checker.host(path, host, true) || !host.starts_with('*')) return;
  checker.expect(!by_name(service) || service.endpoints_size() > 0, path,
                 "a wildcard is no name that DNS knows: name each host, give endpoints, or use "
                 "resolution NONE, where connections are captured");
}

void check_resolution(const ServiceEntry& service, Checker& checker) {
  checker.expect(service.resolution() != ServiceEntry::NONE ||
                     (service.endpoints_size() == 0 && !service.has_workload_selector()),
                 "spec.resolution",
                 "with endpoints or a workloadSelector expected STATIC or DNS; NONE, the default,"
                 " is for callers that choose the address themselves");
  if (!by_name(service)) return;
  checker.expect(!service.has_workload_selector(), "spec.workloadSelector",
                 "is for resolution STATIC");
  checker.expect(service.resolution() == ServiceEntry::DNS || service.endpoints_size() <= 1,
                 "spec.endpoints", "DNS_ROUND_ROBIN has at most one endpoint");
}

void check_endpoints(const ServiceEntry& service, Checker& checker) {
  checker.expect(service.endpoints_size() == 0 || !service.has_workload_selector(),
                 "spec.workloadSelector", "endpoints and workloadSelector exclude each other");
  if (service.has_workload_selector()) {
    checker.expect(!service.workload_selector().labels().empty(), "spec.workloadSelector",
                   "expected labels");
    checker.labels("spec.workloadSelector.labels", service.workload_selector().labels());
  }
  std::set<std::string> names;
  for (const auto& port : service.ports()) names.insert(port.name());
  for (int i = 0; i < service.endpoints_size(); ++i) {
    const auto& endpoint = service.endpoints(i);
    const std::string path = at_index("spec.endpoints", i);
    if (by_name(service) && !is_ip_address(endpoint.address())) {
      checker.host(path + ".address", endpoint.address(), false);
      WorkloadEntry rest = endpoint;
      rest.set_address("127.0.0.1");  // the name was judged above
      validate(rest, path, checker);
    } else {
      validate(endpoint, path, checker);
    }
    for (const auto& [name, number] : endpoint.ports())
      checker.expect(names.contains(name), at_key(path + ".ports", name),
                     "no port of the service has this name");
  }
}

}  // namespace

void validate(const ServiceEntry& service, Checker& checker) {
  checker.expect(service.hosts_size() > 0, "spec.hosts", "expected at least one host");
  std::set<std::string> hosts;
  for (int i = 0; i < service.hosts_size(); ++i) {
    const std::string path = at_index("spec.hosts", i);
    check_host(service, service.hosts(i), path, checker);
    checker.expect(hosts.insert(service.hosts(i)).second, path,
                   "the host " + service.hosts(i) + " is there twice");
  }
  for (int i = 0; i < service.addresses_size(); ++i)
    checker.expect(is_address_or_net(service.addresses(i)), at_index("spec.addresses", i),
                   "expected an IP address or CIDR, got " + text::quoted(service.addresses(i)));
  check_ports(service, checker);
  check_resolution(service, checker);
  check_endpoints(service, checker);
  checker.export_to("spec.exportTo", service.export_to(), true);
}

}  // namespace mesh::config

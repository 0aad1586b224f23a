#include "base/text.h"
#include "config/validate/validate.h"
#include "istio/networking/v1alpha3/workload_entry.pb.h"

namespace mesh::config {

void validate(const ::istio::networking::v1alpha3::WorkloadEntry& entry, const std::string& path,
              Checker& checker) {
  if (entry.address().empty())
    checker.fail(path + ".address", "expected an IP address");
  else
    checker.ip_address(path + ".address", entry.address());
  const std::map<std::string, uint32_t> ports(entry.ports().begin(), entry.ports().end());
  for (const auto& [name, number] : ports) {
    checker.label_name(at_key(path + ".ports", name), name);
    checker.port(at_key(path + ".ports", name), number);
  }
  checker.labels(path + ".labels", entry.labels());
  checker.expect(entry.weight() <= 1'000'000, path + ".weight",
                 "expected a number from 0 to 1000000");
  if (!entry.service_account().empty())
    checker.dns_name(path + ".serviceAccount", entry.service_account());
  checker.expect(text::split(entry.locality(), '/').size() <= 3, path + ".locality",
                 "expected REGION/ZONE/SUBZONE, got " + text::quoted(entry.locality()));
}

}  // namespace mesh::config

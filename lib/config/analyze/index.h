// Index: what objects of a set say of hosts, subsets and workloads, to be asked by name.
// Inside of lib/config/analyze only.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/object_set.h"
#include "istio/networking/v1alpha3/service_entry.pb.h"

namespace mesh::config {

class Index {
 public:
  using Labels = std::map<std::string, std::string>;
  struct Service {
    const v1::Object* object;
    std::vector<::istio::networking::v1alpha3::ServicePort> ports;
  };

  explicit Index(const ObjectSet& set);

  // One more, that no object of the set is; of any namespace where it is empty.
  void add_workload(const std::string& ns, Labels labels);

  // The service that an object of namespace `ns` means by `host`: as it stands, or a name
  // that is completed to NAME.NAMESPACE.svc. and the mesh's domain. Null: none.
  const Service* find_service(std::string_view host, std::string_view ns) const;
  // The same for "*" and "*.suffix" too.
  bool has_host(std::string_view host, std::string_view ns) const;
  // Whether a DestinationRule for the host has the subset.
  bool has_subset(const std::string& host, std::string_view ns, const std::string& subset) const;
  // Whether hosts of `host` are ever ejected.
  bool ejects(const std::string& host) const;

  // Whether a workload of the namespace, or of any where it is empty, has all these labels.
  bool selects(const std::string& ns, const Labels& labels) const;

 private:
  void add_service(const v1::Object& object);
  void add_rule(const v1::Object& object);
  std::vector<const std::string*> patterns_for(const std::string& host, std::string_view ns) const;

  std::map<std::string, Service, std::less<>> services_;  // by host
  struct Rules {
    std::set<std::string> subsets;
    bool ejects = false;
  };
  std::map<std::string, Rules, std::less<>> rules_;  // by host or pattern
  std::vector<std::pair<std::string, Labels>> workloads_;
  std::map<std::string, std::vector<size_t>> by_label_;  // "KEY=VALUE"
};

// What both patterns ("*", "*.suffix", a name) take; empty: nothing.
std::string intersection(std::string_view a, std::string_view b);

}  // namespace mesh::config

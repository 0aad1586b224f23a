// Index: what objects of a set say of hosts, subsets and workloads, to be asked by name.
// Inside of lib/config/analyze only.
//
// It goes with its set: objects come and go, and each answer depends on *facts*, numbers
// that who asks keeps, to ask again when one of them was touched.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/object_set.h"
#include "istio/networking/v1alpha3/service_entry.pb.h"

namespace mesh::config {

// What an answer depends on: a digest of what was asked. Two that are taken for one cost
// a question asked in vain.
using Fact = size_t;
Fact fact(char kind, std::string_view name);

class Index {
 public:
  using Labels = std::map<std::string, std::string>;
  struct Service {
    const v1::Object* object;
    std::vector<::istio::networking::v1alpha3::ServicePort> ports;
  };
  struct Workload {
    const v1::Object* object;  // null: of no object of the set
    std::string ns;            // empty: any
    Labels labels;
  };
  using Touch = std::function<void(Fact)>;

  // One more object, which outlives its removal; one less. Each fact that it is part of is
  // touched.
  void add(const v1::Object& object, const Touch& touch);
  void remove(const v1::Object& object, const Touch& touch);

  // One more, that no object of the set is; of any namespace where it is empty.
  void add_workload(const std::string& ns, Labels labels);

  // Where the facts go that the following answers depend on; null: nowhere.
  void tell(std::vector<Fact>* facts) { facts_ = facts; }

  // The service that an object of namespace `ns` means by `host`: as it stands, or a name
  // that is completed to NAME.NAMESPACE.svc. and the mesh's domain. Null: none. Of several
  // of one host, the first in the order of their names.
  const Service* find_service(std::string_view host, std::string_view ns) const;
  // The same for "*" and "*.suffix" too.
  bool has_host(std::string_view host, std::string_view ns) const;
  // All, each once.
  std::vector<const Service*> services() const;
  // Whether a DestinationRule for the host has the subset.
  bool has_subset(const std::string& host, std::string_view ns, const std::string& subset) const;
  // Whether hosts of `host` are ever ejected.
  bool ejects(const std::string& host) const;

  // Whether a workload of the namespace, or of any where it is empty, has all these labels.
  bool selects(const std::string& ns, const Labels& labels) const;
  // All that have, of whatever namespace; but what stands for the forwarders of a Gateway.
  std::vector<const Workload*> having(const Labels& labels) const;

 private:
  struct Subsets {
    const v1::Object* object;
    std::set<std::string> names;
    bool ejects;
  };
  using Workloads = std::vector<std::unique_ptr<const Workload>>;

  void add_service(const v1::Object& object);
  void add_rule(const v1::Object& object);
  void add_workload(const v1::Object* object, const std::string& ns, Labels labels);
  void touch_names(const v1::Object& object, const Touch& touch) const;
  void depend(char kind, std::string_view name) const;
  const std::vector<const Workload*>* with_rarest(const Labels& labels) const;
  std::vector<const std::vector<Subsets>*> rules_for(const std::string& host,
                                                     std::string_view ns) const;

  std::map<std::string, std::vector<Service>, std::less<>> services_;       // by host
  std::map<std::string, std::vector<Subsets>, std::less<>> rules_;          // by host or pattern
  std::unordered_map<const v1::Object*, Workloads> workloads_;              // null: of no object
  std::unordered_map<std::string, std::vector<const Workload*>> by_label_;  // "KEY=VALUE"
  std::vector<Fact>* facts_ = nullptr;
};

// "NAMESPACE/NAME" of what objects of namespace `ns` mean by a gateway's name.
std::string gateway_name(const std::string& name, const std::string& ns);

// What both patterns ("*", "*.suffix", a name) take; empty: nothing.
std::string intersection(std::string_view a, std::string_view b);

}  // namespace mesh::config

#include "discovery/extent.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::discovery {
namespace {

struct Name {
  std::string_view kind;
  std::string ns;
  std::string name;
};

Name name_of(std::string_view text) {
  const auto parts = text::split(text, '/');
  if (parts.size() != 3) return {};
  return {parts[0], std::string(parts[1]), std::string(parts[2])};
}

template <class List>
auto find(const List& list, const Name& name) {
  return list.find(name.ns, name.name);
}

class Reach {
 public:
  Reach(const Model& model, const Objects& after) : model_(model), after_(after) {}

  // A rule of one host, before and after.
  template <class List>
  void add_rule(const List& before, const List& after, const Name& name) {
    for (const auto* object : {find(before, name), find(after, name)})
      if (object != nullptr) add_host(object->spec.host(), object->ns);
  }

  // A delegate is in no list any more, but in the routes of those that name it.
  void add_routing(const Name& name, std::string_view text) {
    for (const Objects* objects : {&model_.objects(), &after_}) {
      const auto* const object = find(objects->virtual_services, name);
      if (object == nullptr) {
        change.extent.all |= objects->places->has(text);
        continue;
      }
      for (const auto& host : object->spec.hosts()) add_host(host, object->ns);
    }
  }

  void add_entry(const Name& name) {
    change.rebuild = true;
    const auto* before = find(model_.objects().service_entries, name);
    const auto* now = find(after_.service_entries, name);
    // Other hosts may be what short names elsewhere mean.
    if (before == nullptr || now == nullptr ||
        !std::equal(before->spec.hosts().begin(), before->spec.hosts().end(),
                    now->spec.hosts().begin(), now->spec.hosts().end())) {
      change.extent.all = true;
      return;
    }
    for (const auto& host : now->spec.hosts()) change.extent.hosts.insert(text::to_lower(host));
    change.extent.ports = true;
  }

  void add_instance(const Name& name) {
    change.rebuild = true;
    change.extent.workloads.insert({name.ns, name.name});
    add_instances(model_, {"WorkloadEntry/" + name.ns + "/" + name.name}, change.extent);
  }

  Change change;

 private:
  void add_host(const std::string& host, const std::string& ns) {
    if (host.starts_with('*')) change.extent.all = true;
    change.extent.hosts.insert(model_.resolve(host, ns));
    change.extent.hosts.insert(text::to_lower(host));
  }

  const Model& model_;
  const Objects& after_;
};

}  // namespace

Change change_of(const Model& model, const Objects& after,
                 const std::set<std::string, std::less<>>& changed) {
  const Objects& before = model.objects();
  Reach reach(model, after);
  for (const auto& text : changed) {
    const Name name = name_of(text);
    if (name.kind == "VirtualService") {
      reach.add_routing(name, text);
    } else if (name.kind == "DestinationRule") {
      reach.add_rule(before.destination_rules, after.destination_rules, name);
    } else if (name.kind == "ServicePolicy") {
      reach.add_rule(before.service_policies, after.service_policies, name);
    } else if (name.kind == "CircuitBreaker") {
      reach.add_rule(before.circuit_breakers, after.circuit_breakers, name);
    } else if (name.kind == "RateLimit") {
      reach.add_rule(before.rate_limits, after.rate_limits, name);
    } else if (name.kind == "ServiceEntry") {
      reach.add_entry(name);
    } else if (name.kind == "WorkloadEntry") {
      reach.add_instance(name);
    } else {
      reach.change.extent.all = true;
    }
  }
  return reach.change;
}

void add_instances(const Model& after, const std::set<std::string, std::less<>>& changed,
                   Extent& extent) {
  for (const auto& text : changed) {
    const Name name = name_of(text);
    if (name.kind != "WorkloadEntry") continue;
    const auto found = after.workloads().find({name.ns, name.name});
    if (found == after.workloads().end()) continue;
    for (const auto* service : after.services_of(found->second)) extent.hosts.insert(service->host);
  }
}

}  // namespace mesh::discovery

#include "discovery/describe.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "discovery/compile/telemetry.h"
#include "discovery/describe_access.h"
#include "discovery/describe_callers.h"
#include "discovery/describe_rules.h"

namespace mesh::discovery {
namespace {

using discoveryd::v1::Applied;
using discoveryd::v1::DescribeReply;
using discoveryd::v1::DescribeRequest;
using Tls = istio_security::PeerAuthentication::MutualTLS;

std::string mode_text(Tls::Mode mode) {
  switch (mode) {
    case Tls::DISABLE: return "DISABLE";
    case Tls::STRICT: return "STRICT";
    default: return "PERMISSIVE";
  }
}

class Describer {
 public:
  Describer(const Model& model, DescribeReply& reply) : model_(model), reply_(reply) {}

  void service(const Service& service) {
    auto& out = *reply_.add_services();
    out.set_host(service.host);
    out.set_namespace_(service.ns);
    out.set_object(service.object);
    out.set_external(service.external);
    for (const Port& port : service.ports) {
      auto& to = *out.add_ports();
      to.set_number(port.number);
      to.set_protocol(port.protocol);
      to.set_name(port.name);
    }
    if (reply_.place().empty()) reply_.set_place(place(service.object));
    routing(service);
    policies(service);
    own(service);
    exported(service);
  }

  void port(const Port& port, const std::vector<const Workload*>& workloads) {
    auto& out = *reply_.add_ports();
    out.set_number(port.number);
    out.set_protocol(port.protocol);
    out.set_name(port.name);
    for (const Workload* workload : workloads) {
      if (model_.identity(*workload).empty()) {
        merge("DISABLE", nullptr, out);
        continue;
      }
      const auto rule = model_.peer_rule(*workload, instance_of(*workload, port).port);
      merge(mode_text(rule.mode), rule.object, out);
    }
    if (out.mtls() == "STRICT")
      callers("workloads of the mesh only, on port " + std::to_string(port.number) +
              " (mutual TLS is STRICT)");
  }

  // Before all else that restricts callers.
  void admitted(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) callers(line);
  }

  // Behind all that restricts callers.
  void finish() {
    if (reply_.callers().empty()) callers("everybody");
  }

  void sidecar(const Workload& workload) {
    if (const auto* const found = model_.sidecar(workload.ns, workload.labels))
      add(*reply_.mutable_own(), origin_of("Sidecar", found->ns, found->name),
          describe_sidecar(found->spec));
  }

  // Once each, also where several workloads have them.
  void access(const std::vector<const Workload*>& workloads) {
    std::set<std::string> told;
    for (const Workload* const workload : workloads)
      for (const auto& [origin, effect] : describe_access(model_, *workload))
        if (told.insert(origin).second) add(*reply_.mutable_own(), origin, effect);
  }

  void tracing(const Workload& workload) {
    Node node;
    node.ns = workload.ns;
    node.workload = workload.name;
    node.labels = workload.labels;
    for (const auto* const object : tracing_objects(model_, node))
      add(*reply_.mutable_own(), origin_of("Telemetry", object->ns, object->name),
          describe_tracing(object->spec));
  }

 private:
  void merge(const std::string& mode, const Object<istio_security::PeerAuthentication>* object,
             DescribeReply::Port& out) {
    if (out.mtls().empty()) {
      out.set_mtls(mode);
      if (object == nullptr) return;
      out.set_mtls_origin(origin_of("PeerAuthentication", object->ns, object->name));
      out.set_mtls_place(place(out.mtls_origin()));
    } else if (out.mtls() != mode) {
      out.set_mtls("MIXED");
    }
  }

  void routing(const Service& service) {
    const Node caller{.ns = service.ns};
    const auto* const in_force = model_.virtual_service(service.host, service.ns, caller);
    for (const auto& object : model_.objects().virtual_services) {
      const bool named = std::any_of(
          object.spec.hosts().begin(), object.spec.hosts().end(), [&](const std::string& pattern) {
            return host_match(model_.resolve(pattern, object.ns), service.host) > 0;
          });
      if (!named) continue;
      if (&object != in_force) {
        add(*reply_.mutable_routing(), origin_of("VirtualService", object.ns, object.name),
            passed_over(object, caller));
        continue;
      }
      for (const auto& [origin, effect] : describe_routes(object))
        add(*reply_.mutable_routing(), origin, effect);
    }
  }

  // Why it is not in force for the caller.
  std::string passed_over(const Object<istio::VirtualService>& object, const Node& caller) const {
    if (!for_mesh(object.spec.gateways())) return "for gateways only";
    const std::string who = "not for callers of namespace " + caller.ns + ": ";
    if (!visible(object.spec.export_to(), object.ns, caller.ns))
      return who + "not exported to them";
    if (!model_.follows(object, caller)) return who + "outside of their Sidecar's egress";
    return who + "another one comes first";
  }

  void policies(const Service& service) {
    auto& out = *reply_.mutable_policies();
    if (const auto* const rule = model_.destination_rule(service, service.ns, {})) {
      add(out, origin_of(*rule), describe_policy(rule->spec.traffic_policy()));
      for (int i = 0; i < rule->spec.subsets_size(); ++i)
        add(out, origin_of_subset(*rule, i), describe_subset(rule->spec.subsets(i)));
    }
    // Each for some of the callers, in the place of the above.
    for (const auto& rule : model_.objects().destination_rules) {
      if (!rule.spec.has_workload_selector() ||
          host_match(model_.resolve(rule.spec.host(), rule.ns), service.host) == 0)
        continue;
      std::string labels;
      const auto& wanted = rule.spec.workload_selector().match_labels();
      for (const auto& [key, value] :
           std::map<std::string, std::string>(wanted.begin(), wanted.end()))
        labels += (labels.empty() ? "" : ",") + key + "=" + value;
      const std::string who = "callers " + labels + " of " + rule.ns + ": ";
      add(out, origin_of(rule), who + describe_policy(rule.spec.traffic_policy()));
      for (int i = 0; i < rule.spec.subsets_size(); ++i)
        add(out, origin_of_subset(rule, i), who + describe_subset(rule.spec.subsets(i)));
    }
    std::set<const void*> told;
    const auto policy = [&](const std::string& subset) {
      const auto* const found = model_.service_policy(service, subset, service.ns);
      if (found == nullptr || !told.insert(found).second) return;
      add(out, origin_of("ServicePolicy", found->ns, found->name),
          "policy of the mesh's own" +
              (found->spec.subset().empty() ? "" : ", subset " + found->spec.subset()));
    };
    policy("");
    if (const auto* const rule = model_.destination_rule(service, service.ns, {}))
      for (const auto& subset : rule->spec.subsets()) policy(subset.name());
    for (const auto* breaker : model_.circuit_breakers(service, service.ns))
      add(out, origin_of("CircuitBreaker", breaker->ns, breaker->name), "circuit breaker");
  }

  void own(const Service& service) {
    for (const auto* limit : model_.rate_limits(service))
      add(*reply_.mutable_own(), origin_of("RateLimit", limit->ns, limit->name),
          "rate limits: " + std::to_string(limit->spec.limits_size()));
  }

  void exported(const Service& service) {
    const auto& to = service.export_to;
    if (to.empty() || std::find(to.begin(), to.end(), "*") != to.end()) return;
    if (service.hidden()) return callers("nobody by its name (exportTo \"~\")");
    std::vector<std::string> namespaces;
    for (const std::string& one : to) namespaces.push_back(one == "." ? service.ns : one);
    callers("forwarders of namespace " + text::join(namespaces, ", ") + " (exportTo)");
  }

  void add(google::protobuf::RepeatedPtrField<Applied>& to, const std::string& origin,
           const std::string& effect) {
    auto& out = *to.Add();
    out.set_origin(origin);
    out.set_place(place(origin));
    out.set_effect(effect);
  }

  void callers(const std::string& who) {
    const auto& known = reply_.callers();
    if (std::find(known.begin(), known.end(), who) == known.end()) reply_.add_callers(who);
  }

  std::string place(const std::string& origin) const {
    return model_.objects().places->place(origin);
  }

  const Model& model_;
  DescribeReply& reply_;
};

Result<void> describe_service(const Model& model, const DescribeRequest& request,
                              DescribeReply& reply) {
  MESH_TRY(const Service* const service,
           service_asked(model, request.service(), request.namespace_()));
  reply.set_object(service->object);
  Describer describer(model, reply);
  describer.admitted(describe_callers(model, *service));
  describer.service(*service);
  for (const Port& port : service->ports) describer.port(port, service->workloads);
  describer.access(service->workloads);
  describer.finish();
  return {};
}

Result<const Workload*> workload_asked(const Model& model, const DescribeRequest& request) {
  std::vector<std::string_view> names;
  std::string elsewhere;
  for (const auto& [key, one] : model.workloads()) {
    const bool there = request.namespace_().empty() || one.ns == request.namespace_();
    if (one.name == request.workload()) {
      if (there) return &one;
      elsewhere = "; namespace " + one.ns + " has one";
    }
    if (there) names.push_back(one.name);
  }
  if (elsewhere.empty())
    if (const auto near = text::nearest(request.workload(), names); !near.empty())
      elsewhere = "; did you mean " + text::quoted(near) + "?";
  return Error{Errc::NotFound, (request.namespace_().empty()
                                    ? "no workload "
                                    : "namespace " + request.namespace_() + " has no workload ") +
                                   text::quoted(request.workload()) + elsewhere};
}

Result<void> describe_workload(const Model& model, const DescribeRequest& request,
                               DescribeReply& reply) {
  MESH_TRY(const Workload* const workload, workload_asked(model, request));
  const bool configured = workload->source == Workload::Source::Config;
  reply.set_object(
      origin_of(configured ? "WorkloadEntry" : "Workload", workload->ns, workload->name));
  if (configured) reply.set_place(model.objects().places->place(reply.object()));
  Describer describer(model, reply);
  describer.admitted(describe_callers(model, {workload->ns, workload->labels, workload}));
  for (const Service& service : model.services()) {
    const auto& all = service.workloads;
    if (std::find(all.begin(), all.end(), workload) == all.end()) continue;
    describer.service(service);
    for (Port port : service.ports) {
      const Instance instance = instance_of(*workload, port);
      describer.port(port, {workload});
      if (instance.port != 0) reply.mutable_ports()->rbegin()->set_number(instance.port);
    }
  }
  describer.access({workload});
  describer.sidecar(*workload);
  describer.tracing(*workload);
  describer.finish();
  return {};
}

}  // namespace

Result<const Service*> service_asked(const Model& model, const std::string& host,
                                     const std::string& ns) {
  const std::string lower = text::to_lower(host);
  const auto of = [&](const std::string& full) -> const Service* {
    const Service* const service = model.find_service(full, ns);
    return service == nullptr || ns.empty() || service->ns == ns ? service : nullptr;
  };
  if (const Service* const service = of(lower)) return service;
  const std::string full =
      lower + "." + (ns.empty() ? "default" : ns) + ".svc." + model.options().domain;
  if (const Service* const service = of(full)) return service;
  const std::string whose =
      ns.empty() ? "no service has the host " : "namespace " + ns + " has no service of the host ";
  if (const Service* const other = model.find_service(lower, ns))
    return Error{Errc::NotFound,
                 whose + text::quoted(host) + "; namespace " + other->ns + " has one"};
  std::vector<std::string_view> names;
  for (const Service& other : model.services())
    if (ns.empty() || other.ns == ns) names.push_back(other.host);
  const std::string_view near = text::nearest(lower, names);
  return Error{Errc::NotFound,
               whose + text::quoted(host) +
                   (near.empty() ? "" : "; did you mean " + text::quoted(near) + "?")};
}

Result<DescribeReply> describe(const Model& model, const DescribeRequest& request) {
  if (request.service().empty() == request.workload().empty())
    return Error{Errc::Invalid, "expected a service or a workload"};
  DescribeReply reply;
  reply.set_generation(model.objects().generation);
  auto described = request.service().empty() ? describe_workload(model, request, reply)
                                             : describe_service(model, request, reply);
  if (!described) return std::move(described).error();
  return reply;
}

}  // namespace mesh::discovery

#include <algorithm>
#include <set>

#include "base/text.h"
#include "cmd/discoveryd/service.h"
#include "cmd/discoveryd/workload_message.h"
#include "discovery/describe.h"

namespace mesh::discoveryd {
namespace {

using discovery::Instance;
using discovery::Workload;
using std::chrono::milliseconds;

constexpr int kWorkloadsAskedMax = 10'000;
constexpr uint32_t kLeaseSecondsMax = 30 * 24 * 3600;

uint64_t ms(Duration duration) {
  return uint64_t(std::max<int64_t>(0, std::chrono::floor<milliseconds>(duration).count()));
}

}  // namespace

Result<msg::RegisterReply> Service::add(const msg::RegisterRequest& request, const bus::Peer&) {
  if (request.lease_seconds() > kLeaseSecondsMax)
    return Error{Errc::Invalid, "lease: at most 30 days"};
  Workload workload = workload_of(request.workload());
  if (workload.ns.empty()) workload.ns = "default";
  workload.group.clear();  // what a person registers is of none
  if (objects_ && objects_->workload_entries.find(workload.ns, workload.name) != nullptr)
    return Error{Errc::Invalid, "WorkloadEntry/" + workload.ns + "/" + workload.name +
                                    " is configured; change or delete that"};
  MESH_TRY(const bool changed,
           registry_.add(std::move(workload), std::chrono::seconds(request.lease_seconds()),
                         clock_.now()));
  // On disk and in force here before it is answered; a renewal can wait.
  if (changed) {
    apply_registry();
    save();
  } else {
    save_soon();
    arm_expiry();
  }
  msg::RegisterReply reply;
  reply.set_changed(changed);
  return reply;
}

Result<msg::DeregisterReply> Service::remove(const msg::DeregisterRequest& request,
                                             const bus::Peer&) {
  msg::DeregisterReply reply;
  const std::string ns = request.namespace_().empty() ? "default" : request.namespace_();
  reply.set_changed(registry_.remove({ns, request.name()}));
  if (reply.changed()) {
    apply_registry();
    save();
  }
  return reply;
}

Result<msg::ServicesReply> Service::services(const msg::ServicesRequest&, const bus::Peer&) {
  msg::ServicesReply reply;
  if (!publisher_.model()) return reply;
  for (const auto& service : publisher_.model()->services()) {
    auto& to = *reply.add_services();
    to.set_host(service.host);
    to.set_namespace_(service.ns);
    to.set_object(service.object);
    to.set_external(service.external);
    for (const auto& port : service.ports) {
      auto& out = *to.add_ports();
      out.set_number(port.number);
      out.set_protocol(port.protocol);
      out.set_name(port.name);
    }
    to.set_endpoints(uint32_t(service.workloads.size()));
    to.set_healthy(
        uint32_t(std::count_if(service.workloads.begin(), service.workloads.end(),
                               [](const Workload* w) { return health_of(*w) == "HEALTHY"; })));
  }
  return reply;
}

Result<msg::EndpointsReply> Service::endpoints(const msg::EndpointsRequest& request,
                                               const bus::Peer&) {
  const auto& model = publisher_.model();
  if (model == nullptr) return Error{Errc::NotFound, "nothing is served yet"};
  MESH_TRY(const discovery::Service* const service,
           discovery::service_asked(*model, request.host(), request.namespace_()));
  msg::EndpointsReply reply;
  for (const auto& port : service->ports) {
    for (const auto* workload : service->workloads) {
      const Instance instance = instance_of(*workload, port);
      auto& to = *reply.add_endpoints();
      to.set_address(dialed(instance));
      to.set_service_port(port.number);
      to.set_workload(workload->name);
      to.set_namespace_(workload->ns);
      to.set_health(std::string(health_of(*workload)));
      to.set_source(std::string(to_string(workload->source)));
      to.mutable_labels()->insert(workload->labels.begin(), workload->labels.end());
      to.set_locality(workload->locality);
      if (!service->external) to.set_identity(model->identity(*workload));
      to.set_weight(workload->weight);
      if (const auto left = registry_.lease_left({workload->ns, workload->name}, clock_.now()))
        to.set_lease_left_ms(ms(*left));
      if (const auto silent = registry_.unconfirmed({workload->ns, workload->name}, clock_.now())) {
        to.set_unconfirmed(true);
        to.set_unconfirmed_ms(ms(*silent));
      }
      const auto checks = checks_.of(to.address());
      to.set_checked_by(checks.checked);
      to.set_failed_by(checks.failed);
      to.set_reason(workload->illness);
      to.set_group(workload->group);
    }
  }
  return reply;
}

Result<msg::StatusReply> Service::status(const msg::StatusRequest& request, const bus::Peer&) {
  if (request.workloads_size() > kWorkloadsAskedMax)
    return Error{Errc::TooBig, "over 10000 workloads are asked about"};
  msg::StatusReply reply;
  reply.set_configd_up(source_.up());
  reply.set_dns(names_.listening());
  reply.set_from_disk(source_.from_disk());
  reply.set_registrations(uint32_t(registry_.registrations()));
  for (const auto& problem : problems_) reply.add_problems(problem);
  for (const auto& problem : keys_.problems()) reply.add_problems(problem);
  if (const auto& model = publisher_.model()) {
    reply.set_generation(model->objects().generation);
    reply.set_services(uint32_t(model->services().size()));
    size_t endpoints = 0;
    for (const auto& service : model->services()) endpoints += service.workloads.size();
    reply.set_endpoints(uint32_t(endpoints));
    std::set<std::string_view> configured;
    for (const auto& [key, workload] : model->workloads()) configured.insert(workload.name);
    for (const auto& name : request.workloads())
      if (configured.contains(name)) reply.add_configured(name);
  }
  publisher_.forget_refused();
  tell_forwarders(*reply.mutable_forwarders());
  tell_refused(*reply.mutable_refused());
  if (shared_) tell_hosts(reply);
  return reply;
}

void Service::tell_hosts(msg::StatusReply& into) const {
  for (const auto& [host, said] : shared_->hosts()) {
    into.add_hosts()->set_name(host);
    into.mutable_forwarders()->MergeFrom(said.forwarders());
    into.mutable_refused()->MergeFrom(said.refused());
  }
  for (const auto& [host, since] : shared_->away()) {
    auto& to = *into.add_hosts();
    to.set_name(host);
    to.set_away(true);
    to.set_away_ms(ms(clock_.now() - since));
  }
  if (shared_->error().empty()) return;
  into.set_unheard("etcd: " + shared_->error());
  into.add_problems(into.unheard());
}

void Service::tell_forwarders(google::protobuf::RepeatedPtrField<msg::Forwarder>& into) const {
  const Instant now = clock_.now();
  const auto& known = roster_.forwarders();
  for (const auto& [id, forwarder] : publisher_.forwarders()) {
    auto& to = *into.Add();
    to.set_node(id);
    to.set_namespace_(forwarder.node.ns);
    to.set_workload(forwarder.node.workload);
    to.set_uid(forwarder.uid);
    to.set_pid(forwarder.pid);
    to.set_generation_sent(forwarder.sent);
    to.set_generation_acked(forwarder.acked_by_all());
    to.set_generation_in_force(forwarder.in_force);
    if (!forwarder.in_force.empty()) to.set_in_force_ms(ms(now - forwarder.in_force_since));
    to.set_connected_ms(ms(now - forwarder.connected));
    if (!forwarder.sent.empty()) to.set_sent_ms(ms(now - forwarder.sent_since));
    if (!to.generation_acked().empty()) to.set_acked_ms(ms(now - forwarder.acked_since));
    to.set_client(forwarder.client.empty() ? "forwarder" : forwarder.client);
    to.set_resources(uint32_t(publisher_.catalog().size(forwarder)));
    to.set_on_demand(forwarder.on_demand);
    if (const auto found = known.find(id); found != known.end())
      to.set_draining(found->second.ending);
    for (const auto& [watcher, names] : forwarder.asks)
      for (const auto& name : names) to.add_hosts(name);
    for (const auto& [what, rejection] : forwarder.rejections) {
      auto& out = *to.add_rejections();
      out.set_type(std::string(type_url(what.first)));
      out.set_name(what.second);
      out.set_reason(rejection.reason);
      out.set_origin(rejection.origin);
      out.set_place(publisher_.place(rejection.origin));
      out.set_since_ms(ms(now - rejection.since));
    }
  }
  std::set<std::string_view> refused;  // those are told of as such
  for (const auto& [key, refusal] : publisher_.refusals().all()) refused.insert(key.node);
  for (const auto& [id, forwarder] : known) {
    if (!forwarder.expected_until || refused.contains(id)) continue;
    auto& to = *into.Add();
    to.set_node(id);
    to.set_namespace_(forwarder.ns);
    to.set_workload(forwarder.workload);
    to.set_away(true);
  }
}

void Service::tell_refused(google::protobuf::RepeatedPtrField<msg::RefusedForwarder>& into) const {
  const Instant now = clock_.now();
  for (const auto& [key, refusal] : publisher_.refusals().all()) {
    auto& to = *into.Add();
    to.set_node(key.node);
    to.set_namespace_(refusal.ns);
    to.set_workload(refusal.workload);
    to.set_uid(key.uid);
    to.set_pid(key.pid);
    to.set_client(refusal.client.empty() ? "forwarder" : refusal.client);
    to.set_reason(refusal.reason);
    to.set_since_ms(ms(now - refusal.since));
  }
}

}  // namespace mesh::discoveryd

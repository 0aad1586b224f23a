#include "discovery/model.h"

#include <algorithm>
#include <limits>
#include <set>

#include "base/text.h"

namespace mesh::discovery {
namespace {

constexpr std::string_view kTlsModeLabel = "security.istio.io/tlsMode";
constexpr std::string_view kUnixScheme = "unix://";

}  // namespace

std::string protocol_of(std::string_view written) {
  std::string protocol(written);
  for (char& c : protocol)
    if (c >= 'a' && c <= 'z') c = char(c - 'a' + 'A');
  return protocol;
}

bool is_http(std::string_view protocol) {
  return protocol == "HTTP" || needs_http2(protocol) || protocol == "GRPC-WEB";
}

bool needs_http2(std::string_view protocol) { return protocol == "HTTP2" || protocol == "GRPC"; }

size_t host_match(std::string_view pattern, std::string_view host) {
  if (pattern == host) return std::numeric_limits<size_t>::max();
  if (pattern.empty() || pattern.front() != '*') return 0;
  const std::string_view suffix = pattern.substr(1);
  if (host.size() < suffix.size() || !host.ends_with(suffix)) return 0;
  return 1 + suffix.size();
}

const Port* Service::find_port(uint32_t number) const {
  const auto found =
      std::find_if(ports.begin(), ports.end(), [&](const Port& p) { return p.number == number; });
  return found == ports.end() ? nullptr : &*found;
}

Instance instance_of(const Workload& workload, const Port& port) {
  Instance instance{.workload = &workload, .address = {}, .port = 0, .path = {}};
  if (workload.address.starts_with(kUnixScheme)) {
    instance.path = workload.address.substr(kUnixScheme.size());
    return instance;
  }
  instance.address = workload.address;
  const auto named = workload.ports.find(port.name);
  instance.port = named != workload.ports.end() ? named->second
                  : port.target != 0            ? port.target
                                                : port.number;
  return instance;
}

std::string dialed(const Instance& instance) {
  if (!instance.path.empty()) return instance.path;
  const bool v6 = instance.address.find(':') != std::string::npos;
  return (v6 ? "[" + instance.address + "]" : instance.address) + ":" +
         std::to_string(instance.port);
}

std::shared_ptr<Model> Model::build(Options options, std::shared_ptr<const Objects> objects,
                                    const std::vector<Workload>& registered,
                                    const StateOf& state_of) {
  auto model = std::make_shared<Model>(std::move(options), std::move(objects));
  model->add_configured(registered);
  for (auto& [key, workload] : model->workloads_)
    if (workload.source == Workload::Source::Config) workload.state = state_of(key);
  model->add_services();
  model->index_rules();
  return model;
}

void Model::add_configured(const std::vector<Workload>& registered) {
  for (const auto& entry : objects_->workload_entries)
    workloads_.emplace(Key(entry.ns, entry.name), entry);
  for (const auto& workload : registered)
    workloads_.emplace(Key(workload.ns, workload.name), workload);  // beneath configured ones
}

void Model::add_services() {
  for (const auto& entry : objects_->service_entries)
    for (const auto& host : entry.spec.hosts()) add_service(entry, host);
  std::stable_sort(services_.begin(), services_.end(), [](const Service& a, const Service& b) {
    return std::tie(a.host, a.ns) < std::tie(b.host, b.ns);
  });
  index_services();
  for (const auto& [key, workload] : workloads_)
    for (const size_t place : places_of(workload.ns, workload.labels))
      services_[place].workloads.push_back(&workload);
}

void Model::add_service(const Object<istio::ServiceEntry>& entry, const std::string& host) {
  const auto& spec = entry.spec;
  Service service;
  service.host = text::to_lower(host);
  service.ns = entry.ns;
  service.object = "ServiceEntry/" + entry.ns + "/" + entry.name;
  service.external = spec.location() == istio::ServiceEntry::MESH_EXTERNAL;
  service.addresses.assign(spec.addresses().begin(), spec.addresses().end());
  service.export_to.assign(spec.export_to().begin(), spec.export_to().end());
  service.subject_alt_names.assign(spec.subject_alt_names().begin(),
                                   spec.subject_alt_names().end());
  for (const auto& port : spec.ports())
    service.ports.push_back(
        {.number = port.number(),
         .name = port.name(),
         .protocol = port.protocol().empty() ? "TCP" : protocol_of(port.protocol()),
         .declared = !port.protocol().empty(),
         .target = port.target_port()});
  auto endpoints = spec.endpoints();
  if (spec.resolution() == istio::ServiceEntry::DNS) service.resolution = Service::Resolution::Dns;
  if (spec.resolution() == istio::ServiceEntry::NONE)
    service.resolution = Service::Resolution::None;
  if (spec.resolution() == istio::ServiceEntry::DNS_ROUND_ROBIN)
    service.resolution = Service::Resolution::DnsRoundRobin;
  // Without endpoints the host itself is the name (Istio, ServiceEntry.resolution).
  if ((service.resolution == Service::Resolution::Dns ||
       service.resolution == Service::Resolution::DnsRoundRobin) &&
      endpoints.empty())
    endpoints.Add()->set_address(service.host);
  for (const auto& endpoint : endpoints) {
    auto workload = std::make_unique<Workload>(declared_by(endpoint, entry.ns, "", {}));
    workload->source = Workload::Source::Inline;
    service.workloads.push_back(workload.get());
    inline_workloads_.push_back(std::move(workload));
  }
  service.selector.insert(spec.workload_selector().labels().begin(),
                          spec.workload_selector().labels().end());
  services_.push_back(std::move(service));
}

std::string Model::resolve(const std::string& host, const std::string& ns) const {
  const std::string lower = text::to_lower(host);
  if (lower.find('.') != std::string::npos || lower.starts_with('*')) return lower;
  if (find_service(lower, ns) != nullptr) return lower;
  return lower + "." + ns + ".svc." + options_.domain;
}

const Object<istio::Sidecar>* Model::sidecar(const std::string& ns, const Labels& labels) const {
  const Object<istio::Sidecar>* wide = nullptr;
  const Object<istio::Sidecar>* root = nullptr;
  for (const auto& object : objects_->sidecars) {
    const auto& selector = object.spec.workload_selector().labels();
    if (object.ns == ns && !selector.empty() && selects(selector, labels)) return &object;
    if (!selector.empty()) continue;
    if (object.ns == ns && wide == nullptr) wide = &object;
    if (object.ns == options_.root_namespace && root == nullptr) root = &object;
  }
  return wide != nullptr ? wide : root;
}

Model::PeerRule Model::peer_rule(const Workload& workload, uint32_t port) const {
  using Tls = istio_security::PeerAuthentication::MutualTLS;
  constexpr PeerRule kNone{Tls::UNSET, nullptr};
  PeerRule root = kNone, ns = kNone, own = kNone, own_port = kNone;
  for (const auto& object : objects_->peer_authentications) {
    const auto& selector = object.spec.selector().match_labels();
    const Tls::Mode mode = object.spec.mtls().mode();
    const auto take = [&](PeerRule& to, Tls::Mode from) {
      if (to.mode == Tls::UNSET && from != Tls::UNSET) to = {from, &object};
    };
    if (selector.empty()) {
      if (object.ns == workload.ns) take(ns, mode);
      if (object.ns == options_.root_namespace) take(root, mode);
    } else if (object.ns == workload.ns && selects(selector, workload.labels)) {
      take(own, mode);
      const auto& by_port = object.spec.port_level_mtls();
      if (const auto found = by_port.find(port); found != by_port.end())
        take(own_port, found->second.mode());
    }
  }
  for (const PeerRule& rule : {own_port, own, ns, root})
    if (rule.mode != Tls::UNSET) return rule;
  return {Tls::PERMISSIVE, nullptr};
}

std::string Model::identity(const Workload& workload) const {
  // Istio: the label decides; without it, whoever has a service account has a
  // proxy beside it.
  const auto label = workload.labels.find(std::string(kTlsModeLabel));
  if (label != workload.labels.end() && label->second != "istio") return "";
  if (label == workload.labels.end() && workload.service_account.empty()) return "";
  return "spiffe://" + options_.trust_domain + "/ns/" + workload.ns + "/sa/" +
         (workload.service_account.empty() ? "default" : workload.service_account);
}

const Workload* Model::workload_of(const Node& node) const {
  if (node.workload.empty()) return nullptr;
  const auto found = workloads_.find({node.ns, node.workload});
  return found == workloads_.end() ? nullptr : &found->second;
}

std::string Model::locality(const Node& node) const {
  if (!node.locality.empty()) return node.locality;
  const Workload* const workload = workload_of(node);
  return workload == nullptr ? std::string() : workload->locality;
}

}  // namespace mesh::discovery

#include "scenario/mesh.h"

#include <stdexcept>

#include "config/object_set.h"
#include "discovery/compile/compile.h"
#include "support/http_peer.h"
#include "xds/decode.h"

namespace mesh::scenario {
namespace {

template <class T>
T must(Result<T> result, const std::string& of) {
  if (!result) throw std::runtime_error(of + ": " + result.error().text);
  return *std::move(result);
}

std::string all(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace

Mesh::Mesh(const std::string& yaml) { read(yaml); }

void Mesh::read(const std::string& yaml) {
  config::Problems problems("mesh.yaml");
  std::vector<config::v1::Object> objects;
  config::read_objects(yaml, problems, objects);
  if (!problems.lines().empty()) throw std::runtime_error(all(problems.lines()));
  config::ObjectSet set;
  std::map<std::string, std::string, std::less<>> bodies;
  for (const auto& object : objects) {
    set.put(object);
    bodies[object.kind() + "/" + object.namespace_() + "/" + object.name()] =
        object.SerializeAsString();
  }
  auto checked = config::check_set(set);
  if (!checked.errors.empty()) throw std::runtime_error(all(checked.errors));
  warnings_ = std::move(checked.warnings);
  std::vector<std::string> unread;
  auto parsed = std::make_shared<const discovery::Objects>(
      discovery::Objects::parse("g" + std::to_string(++generation_), bodies, unread));
  if (!unread.empty()) throw std::runtime_error(all(unread));
  model_ = discovery::Model::build({}, std::move(parsed), {},
                                   [](const auto&) { return discovery::Workload::State::Present; });
}

Proxy::Config Mesh::config_for(const discovery::Node& node) const {
  auto config = std::make_shared<xds::Config>();
  config->generation = model_->objects().generation;
  for (const auto& r : discovery::compile_clusters(*model_, node))
    config->clusters[r.name] = must(xds::decode_cluster(*r.body), r.name);
  for (const auto* service : model_->services_for(node))
    for (const auto& r : discovery::compile_endpoints(*model_, *service, node))
      config->endpoints[r.name] = must(xds::decode_endpoints(*r.body), r.name);
  for (const auto& r : discovery::compile_listeners(*model_, node))
    config->listeners.push_back(must(xds::decode_listener(*r.body), r.name));
  for (const auto& r : discovery::compile_routes(*model_, node))
    config->routes[r.name] = must(xds::decode_route_configuration(*r.body), r.name);
  return config;
}

Proxy& Mesh::start(const std::string& workload, const Options& options) {
  Member& member = members_[workload];
  discovery::Node& node = member.node;
  node.id = workload + "@test";
  node.ns = "demo";
  node.workload = workload;
  node.service_account = workload.substr(0, workload.find('-'));
  node.labels = {{"app", node.service_account}};
  for (const auto& [key, known] : model_->workloads())
    if (known.name == workload && known.ns == node.ns) node.labels = known.labels;
  node.outbound = "127.0.0.1:0";
  node.outbound_tcp = options.outbound_tcp;
  node.locality = options.locality;
  node.access_log = options.access_log;
  member.proxy = std::make_unique<Proxy>(config_for(node), identity_of(node), options.workers);
  return *member.proxy;
}

Proxy::Identity Mesh::identity_of(const discovery::Node& node) const {
  return authority_.identity("spiffe://cluster.local/ns/demo/sa/" + node.service_account);
}

void Mesh::renew(const std::string& workload) {
  const Member& member = members_.at(workload);
  if (const auto error = member.proxy->identify(identity_of(member.node)); !error.empty())
    throw std::runtime_error(workload + ": " + error);
}

void Mesh::apply(const std::string& yaml) {
  read(yaml);
  for (auto& [name, member] : members_)
    if (const std::string error = member.proxy->apply(config_for(member.node)); !error.empty())
      throw std::runtime_error(name + ": " + error);
}

std::string object(const std::string& kind, const std::string& name, const std::string& spec) {
  const bool ours = kind == "CircuitBreaker" || kind == "RateLimit" || kind == "ServicePolicy" ||
                    kind == "MeshConfig";
  const bool security = kind == "PeerAuthentication";
  const std::string version = ours       ? "mesh/v1"
                              : security ? "security.istio.io/v1"
                                         : "networking.istio.io/v1";
  const std::string ns = kind == "MeshConfig" ? "istio-system" : "demo";
  return "---\napiVersion: " + version + "\nkind: " + kind + "\nmetadata: {name: " + name +
         ", namespace: " + ns + "}\nspec: " + spec + "\n";
}

std::string service(const std::string& host, const std::string& protocol, uint16_t port,
                    const std::string& more) {
  std::string name = protocol;
  for (char& c : name) c = char(std::tolower(c));
  return object("ServiceEntry", host,
                "{hosts: [" + host + "], location: MESH_INTERNAL, resolution: STATIC, ports: [{" +
                    "number: " + std::to_string(port) + ", name: " + name + ", protocol: " +
                    protocol + "}], workloadSelector: {labels: {app: " + host + "}}" + more + "}");
}

std::string instance(const std::string& app, const std::string& name, uint16_t port,
                     const std::string& labels, const std::string& more) {
  return object("WorkloadEntry", name,
                "{address: 127.0.0.1, ports: {http: " + std::to_string(port) +
                    ", tcp: " + std::to_string(port) + ", grpc: " + std::to_string(port) +
                    "}, labels: {app: " + app + labels + "}" + more + "}");
}

std::map<std::string, int> answers(uint16_t port, const std::string& host, int count,
                                   const std::string& path, const std::string& fields) {
  std::map<std::string, int> result;
  for (int i = 0; i < count; ++i) {
    const auto answer = support::get(port, path, host, fields);
    ++result[answer.status == 200 ? answer.body : std::to_string(answer.status)];
  }
  return result;
}

}  // namespace mesh::scenario

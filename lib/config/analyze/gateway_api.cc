// HTTPRoutes and GRPCRoutes: their parents and backends.
#include <algorithm>

#include "base/text.h"
#include "config/analyze/analyzer.h"
#include "config/validate/checker.h"
#include "k8s/gateway/v1/grpc_route.pb.h"
#include "k8s/gateway/v1/http_route.pb.h"

namespace mesh::config {

namespace api = ::k8s::gateway::v1;

void Analyzer::gateway_api_route(const v1::Object& object) {
  if (object.kind() == "HTTPRoute")
    gateway_api<api::HTTPRoute>(object);
  else
    gateway_api<api::GRPCRoute>(object);
}

template <class Route>
void Analyzer::gateway_api(const v1::Object& object) {
  const auto route = spec_of<Route>(object);
  for (int i = 0; i < route.parent_refs_size(); ++i)
    parent(object, route.parent_refs(i), at_index("spec.parentRefs", i));
  for (int i = 0; i < route.rules_size(); ++i) {
    const auto& rule = route.rules(i);
    const std::string path = at_index("spec.rules", i);
    for (int b = 0; b < rule.backend_refs_size(); ++b)
      backend(object, rule.backend_refs(b), at_index(path + ".backendRefs", b));
    for (int f = 0; f < rule.filters_size(); ++f)
      if (rule.filters(f).has_request_mirror())
        backend(object, rule.filters(f).request_mirror().backend_ref(),
                at_index(path + ".filters", f) + ".requestMirror.backendRef");
  }
}

template <class Parent>
void Analyzer::parent(const v1::Object& object, const Parent& parent, const std::string& path) {
  const std::string ns = parent.namespace_().empty() ? object.namespace_() : parent.namespace_();
  if (parent.kind() == "Service")
    return known_service(object, path, parent.name(), ns, parent.port());
  const std::string name = ns + "/" + parent.name();
  GatewayUse* const found = find_gateway(name);
  if (found == nullptr) return find("M104", object, path, "there is no Gateway " + name);
  const auto& servers = found->spec.servers();
  const bool served = std::any_of(servers.begin(), servers.end(), [&](const Server& server) {
    const std::string& section = parent.section_name();
    return (section.empty() || section == server.name() || section == server.port().name()) &&
           (parent.port() == 0 || parent.port() == server.port().number());
  });
  if (served)
    use(name, *found);
  else
    find("M104", object, path,
         "Gateway " + name + " has no such server: " + text::quoted(parent.section_name()) +
             " at port " + std::to_string(parent.port()));
}

template <class Backend>
void Analyzer::backend(const v1::Object& object, const Backend& backend, const std::string& path) {
  const std::string ns = backend.namespace_().empty() ? object.namespace_() : backend.namespace_();
  known_service(object, path, backend.name(), ns, backend.port());
}

void Analyzer::known_service(const v1::Object& object, const std::string& path,
                             const std::string& host, const std::string& ns, uint32_t port) {
  if (!index_.has_host(host, ns))
    find("M101", object, path + ".name", "no ServiceEntry has the host " + host);
  else if (port != 0)
    known_port(object, path + ".port", host, ns, port);
}

}  // namespace mesh::config

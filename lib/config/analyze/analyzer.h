// Analyzer: the work of analyze(). Inside of lib/config/analyze only.
#pragma once

#include <map>
#include <set>
#include <utility>

#include "config/analyze/analyze.h"
#include "config/analyze/index.h"
#include "istio/networking/v1alpha3/gateway.pb.h"
#include "istio/networking/v1alpha3/virtual_service.pb.h"

namespace mesh::config {

class Analyzer {
 public:
  Analyzer(const ObjectSet& set, const AnalyzeOptions& options)
      : set_(set), options_(options), index_(set) {
    for (const auto& workload : options.registered)
      index_.add_workload(workload.ns, workload.labels);
  }

  Analysis run();

 private:
  using VirtualService = ::istio::networking::v1alpha3::VirtualService;
  using HTTPRoute = ::istio::networking::v1alpha3::HTTPRoute;
  using Gateway = ::istio::networking::v1alpha3::Gateway;
  using Server = ::istio::networking::v1alpha3::Server;
  using Destination = ::istio::networking::v1alpha3::Destination;
  using Message = google::protobuf::Message;

  // analyzer.cc
  void find(std::string_view code, const v1::Object& object, std::string path, std::string text);
  // False when so many pairs were compared that no more are.
  bool spend(size_t pairs);
  // One object only may speak of `key`.
  void only(std::string_view code, const v1::Object& object, const std::string& path,
            const std::string& what, const std::string& key);
  void known_host(const v1::Object& object, const std::string& path, const std::string& host);
  // Of a service that is known.
  void known_port(const v1::Object& object, const std::string& path, const std::string& host,
                  const std::string& ns, uint32_t port);
  void destination(const v1::Object& object, const Destination& to, const std::string& path);

  // routes.cc: what a VirtualService says.
  void virtual_service(const v1::Object& object);
  template <class Routes>
  void destinations(const v1::Object& object, const Routes& routes, const std::string& at);
  void http(const v1::Object& object, const HTTPRoute& route, const std::string& path);
  void delegate(const v1::Object& object, const HTTPRoute& route, const std::string& path);
  void delegates();
  void reachable(const v1::Object& object, const VirtualService& service);
  void protocols(const v1::Object& object, const VirtualService& service);
  template <class Routes>
  void matched_ports(const v1::Object& object, const Routes& routes,
                     const std::set<uint32_t>& ports, const std::string& path);

  // gateways.cc
  void index_gateways();
  void bound(const v1::Object& object, const VirtualService& service);
  void claims(const v1::Object& object, const VirtualService& service);
  bool verifies_tokens(const std::string& gateway) const;
  void gateway(const v1::Object& object);
  void conflicts(const v1::Object& object, const Server& server, const std::string& path);
  void files(const v1::Object& object, const Server& server, const std::string& path);
  static constexpr unsigned kPair = 1, kAuthorities = 2;  // of a credential
  void credential(const v1::Object& object, const std::string& name, unsigned parts,
                  const std::string& path);

  // gateway_api.cc: HTTPRoutes and GRPCRoutes.
  template <class Route>
  void gateway_api(const v1::Object& object);
  template <class Parent>
  void parent(const v1::Object& object, const Parent& parent, const std::string& path);
  template <class Backend>
  void backend(const v1::Object& object, const Backend& backend, const std::string& path);
  void known_service(const v1::Object& object, const std::string& path, const std::string& host,
                     const std::string& ns, uint32_t port);
  void gateway_api_route(const v1::Object& object);

  // policies.cc
  void policy(const v1::Object& object);
  void selected(const v1::Object& object, const Message& spec);
  void targets(const v1::Object& object, const Message& spec);
  void scope(const v1::Object& object, const Message& spec);
  void destination_rule(const v1::Object& object);
  template <class Policy>
  void credential(const v1::Object& object, const Policy& policy, const std::string& path);
  void service_entry(const v1::Object& object);
  void circuit_breaker(const v1::Object& object);
  void service_policy(const v1::Object& object);

  const ObjectSet& set_;
  const AnalyzeOptions& options_;
  Index index_;
  Analysis analysis_;
  size_t pairs_ = 0;
  std::map<std::string, const v1::Object*> taken_;  // by CODE and key

  // Of VirtualServices: to whom they delegate, and whether they may be delegated to.
  struct Delegating {
    std::set<std::string> to;
    bool has_hosts = false;
  };
  std::map<std::string, Delegating> delegating_;  // NAMESPACE/NAME
  std::set<std::string> delegated_;

  struct GatewayUse {
    Gateway spec;
    bool used = false;
  };
  std::map<std::string, GatewayUse> gateways_;  // NAMESPACE/NAME
  std::vector<Index::Labels> verifiers_;        // that RequestAuthentications select
  struct Holder {
    const v1::Object* object;
    bool tls;
    std::string host;  // "" for whoever takes the whole place
    bool http;
  };
  std::map<std::pair<std::string, uint32_t>, std::vector<Holder>> places_;
};

// "VirtualService default/a (f.yaml:1:1)".
std::string place_of(const v1::Object& object);

}  // namespace mesh::config

// Analyzer: the work of analyze(), once, or for one set after the other: then objects are
// looked at again that changed, or whose questions might be answered otherwise now. Inside
// of lib/config/analyze only.
#pragma once

#include <map>
#include <set>
#include <unordered_set>
#include <utility>

#include "config/analyze/analyze.h"
#include "config/analyze/index.h"
#include "istio/networking/v1alpha3/destination_rule.pb.h"
#include "istio/networking/v1alpha3/gateway.pb.h"
#include "istio/networking/v1alpha3/virtual_service.pb.h"
#include "istio/security/v1beta1/authorization_policy.pb.h"

namespace mesh::config {

class Analyzer {
 public:
  explicit Analyzer(AnalyzeOptions options) : options_(std::move(options)) {
    for (const auto& workload : options_.registered)
      index_.add_workload(workload.ns, workload.labels);
  }

  // Of this set, whatever was analyzed before: what analyze() says of it.
  Analysis run(const ObjectSet& set);

 private:
  using AuthorizationPolicy = ::istio::security::v1beta1::AuthorizationPolicy;
  using VirtualService = ::istio::networking::v1alpha3::VirtualService;
  using HTTPRoute = ::istio::networking::v1alpha3::HTTPRoute;
  using Gateway = ::istio::networking::v1alpha3::Gateway;
  using Server = ::istio::networking::v1alpha3::Server;
  using Destination = ::istio::networking::v1alpha3::Destination;
  using DestinationRule = ::istio::networking::v1alpha3::DestinationRule;
  using Message = google::protobuf::Message;

  // What was found at one object, and what it depends on.
  struct Note {
    std::vector<Finding> findings;
    std::vector<Fact> facts;
    std::vector<std::string> claims;  // CODE and key
    std::vector<Name> gateways;       // that it makes use of
    size_t pairs = 0;                 // compared
    bool complete = true;             // nothing was left out for its cost
    bool empty() const {
      return findings.empty() && facts.empty() && claims.empty() && gateways.empty() && pairs == 0;
    }
  };

  // analyzer.cc
  void enter(const v1::Object& object);
  void leave(const v1::Object& object);
  void forget(const Name& name);
  bool still_true(const Note& note) const;
  void repeat(const Note& note);
  void look_at(const Name& name, const v1::Object& object);
  // What is asked of an object beside what the index answers.
  static constexpr char kObject = 'n';
  static constexpr char kDelegate = 'd';
  static constexpr char kDelegated = 'D';
  static constexpr char kGateway = 'g';
  static constexpr char kVerifier = 'v';  // all of them, by no name
  static constexpr char kClaim = 'o';
  static constexpr char kProvider = 'x';
  void touch(char kind, std::string_view name) { touched_.insert(fact(kind, name)); }
  void depend(char kind, std::string_view name) { note_.facts.push_back(fact(kind, name)); }
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
  void fault(const v1::Object& object, const HTTPRoute& route, const std::string& path);
  void delegate(const v1::Object& object, const HTTPRoute& route, const std::string& path);
  void reachable(const v1::Object& object, const VirtualService& service);
  void protocols(const v1::Object& object, const VirtualService& service);
  template <class Routes>
  void matched_ports(const v1::Object& object, const Routes& routes,
                     const std::set<uint32_t>& ports, const std::string& path);

  void add_delegates(const v1::Object& object);
  void remove_delegates(const v1::Object& object);

  // gateways.cc
  struct GatewayUse {
    Gateway spec;
    bool used = false;
  };
  // By NAMESPACE/NAME; null where there is none.
  GatewayUse* find_gateway(const std::string& full);
  void use(const std::string& full, GatewayUse& gateway);
  void bound(const v1::Object& object, const VirtualService& service);
  void gateway(const v1::Object& object);
  void conflicts(const v1::Object& object, const Server& server, const std::string& path);
  void files(const v1::Object& object, const Server& server, const std::string& path);
  static constexpr unsigned kPair = 1, kAuthorities = 2;  // of a credential
  void credential(const v1::Object& object, const std::string& name, unsigned parts,
                  const std::string& path);

  // claims.cc
  struct Verifier {  // a RequestAuthentication, by whom it is about
    Index::Labels labels;
    std::set<std::string> entries, gateways;  // targetRefs
  };
  struct Verified {
    bool any = false;        // at some of them
    std::string lacks = {};  // one where no token is; empty: none is known
  };
  void add_verifier(const v1::Object& object);
  bool verifies(const Name& name, const Verifier& verifier, const Index::Workload& workload);
  Verified verified_at(const std::string& gateway);
  Verified verified_at(const std::vector<const Index::Workload*>& workloads);
  Verified verified_for(const v1::Object& object, const AuthorizationPolicy& spec);
  void tokens(const v1::Object& object, const AuthorizationPolicy& spec);
  void claims(const v1::Object& object, const VirtualService& service);

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
  void egress_proxy(const v1::Object& object, const Message& spec);
  void destination_rule(const v1::Object& object);
  void merged(const v1::Object& object, const DestinationRule& rule);
  template <class Policy>
  void credential(const v1::Object& object, const Policy& policy, const std::string& path);
  void service_entry(const v1::Object& object);
  void circuit_breaker(const v1::Object& object);
  void service_policy(const v1::Object& object);
  void authorization(const v1::Object& object);

  // providers.cc: MeshConfig's extensionProviders, and who names them.
  void add_providers(const v1::Object& object);
  void remove_providers(const v1::Object& object);
  void providers(const v1::Object& object);
  void spans(const v1::Object& object);
  bool has_provider(const std::string& key);

  // custom_policies.cc
  void custom_policy(const v1::Object& object, const AuthorizationPolicy& spec);
  void unasked(const v1::Object& object, const AuthorizationPolicy& spec);
  std::set<uint32_t> tcp_ports(const v1::Object& policy, const Index::Labels& selector,
                               const Index::Service& service);

  const AnalyzeOptions options_;
  ObjectSet set_;
  Index index_;
  std::map<Name, Note> notes_;  // of objects that have any
  std::map<std::string, std::set<Name>> claims_;
  std::unordered_set<Fact> touched_;  // since the notes were made

  // Of this run.
  Analysis analysis_;
  size_t pairs_ = 0;
  Note note_;  // of the object that is looked at

  // Of VirtualServices: to whom they delegate, and whether they may be delegated to.
  struct Delegating {
    std::set<std::string> to;
    bool has_hosts = false;
  };
  std::map<std::string, Delegating> delegating_;  // NAMESPACE/NAME
  std::map<std::string, size_t> delegated_;       // by how many

  std::map<Name, GatewayUse> gateways_;
  std::map<Name, Verifier> verifiers_;
  std::map<std::string, size_t, std::less<>> providers_;  // by key_of(): of how many MeshConfigs
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

// Whether a port of this protocol speaks HTTP.
bool is_http(std::string_view protocol);

}  // namespace mesh::config

// Model: what there is in the mesh, derived from one set of objects and the
// registry: services with their ports and instances, and the policies that
// hold for them. What compile/ reads.
//
// Objects and instances are copied in. The owner may tell what changed of
// instances, and of objects other than services, in place: what such a change
// costs does not grow with the mesh. Whoever holds a model over turns of the loop
// sees the present. One thread. Rules of visibility, selection and precedence are Istio's
// (istio.io, "Configuration scoping", "Destination Rule", "PeerAuthentication",
// "Sidecar").
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/host_index.h"
#include "discovery/merged_rules.h"
#include "discovery/objects.h"
#include "discovery/workload.h"

namespace mesh::discovery {

// A forwarder, in its own words (bus::Node), read by parse_node().
struct Node {
  std::string id = {};  // NAME@HOST
  std::string ns = "default";
  std::string workload = {};  // empty: a client only
  std::string service_account = "default";
  Labels labels = {};
  std::string outbound = {};  // ADDRESS:PORT or a path; empty: none
  uint32_t outbound_mode = 0;
  std::string access_log = {};
  std::string outbound_tcp = {};          // an IPv4 address for TCP services without their own
  std::string proxy_protocol_peers = {};  // CIDRs with commas; empty: nobody is believed
  std::string locality = {};              // empty: as its workload's, if at all
  std::string credentials = "/etc/mesh/credentials";  // see compile/credential.h
  // Where connections that the kernel redirects come in.
  struct Capture {
    std::string address;  // ADDRESS:PORT; empty: none do
    bool tproxy = false;
    bool operator==(const Capture&) const = default;
  };
  Capture capture_outbound = {};
  Capture capture_inbound = {};

  // The hosts that it gets resources of, where it subscribes on demand; null: all.
  std::shared_ptr<const std::set<std::string, std::less<>>> hosts = {};
  bool operator==(const Node&) const = default;
};

struct Port {
  uint32_t number = 0;
  std::string name;
  std::string protocol;  // upper-case: HTTP, HTTP2, GRPC, TCP, ...
  bool declared = true;  // else `protocol` is TCP, and the first bytes tell
  uint32_t target = 0;   // of the endpoints; 0: `number`
};

// A protocol as it is compared: in upper case (ASCII), however it was written.
std::string protocol_of(std::string_view written);
// Protocols whose requests are routed: HTTP, HTTP2, GRPC, GRPC-WEB.
bool is_http(std::string_view protocol);
// Those of them that need HTTP/2.
bool needs_http2(std::string_view protocol);

struct Service {
  std::string host;
  std::string ns;
  std::string object;  // ServiceEntry/NAMESPACE/NAME
  std::vector<Port> ports;
  std::vector<std::string> addresses;
  bool external = true;
  // STATIC: endpoints are addresses, and come by EDS. Else names among them are
  // resolved by forwarders: all addresses of all, or one at a time. None: callers choose
  // the address themselves.
  enum class Resolution : uint8_t {
    Static,
    Dns,
    DnsRoundRobin,
    None
  } resolution = Resolution::Static;
  std::vector<std::string> export_to;
  std::vector<std::string> subject_alt_names;
  std::vector<const Workload*> workloads;  // absent ones too; of the Model
  Labels selector;                         // empty: its endpoints are its own

  const Port* find_port(uint32_t number) const;
  // One of `addresses` is an address, not a range.
  bool has_address() const;
  // May be given an automatic one: neither has its host a wildcard, nor do callers
  // choose the address themselves (Istio, "DNS proxying").
  bool takes_address() const {
    return resolution != Resolution::None && !host.starts_with('*') && !hidden();
  }
  // Exported to nobody: what its instances serve is all there is of it.
  bool hidden() const { return export_to == std::vector<std::string>{"~"}; }
};

// An instance of a service at one of its ports.
struct Instance {
  const Workload* workload;
  std::string address;  // an IP address, or empty
  uint32_t port = 0;
  std::string path;  // a Unix socket
};
Instance instance_of(const Workload& workload, const Port& port);
// "ADDRESS:PORT", "[ADDRESS]:PORT" or the path.
std::string dialed(const Instance& instance);

class Model {
 public:
  struct Options {
    std::string trust_domain = "cluster.local";
    std::string root_namespace = "istio-system";
    std::string domain = "cluster.local";  // completes short names
    // Sets of keys that were fetched, by key_source(); null: none.
    std::shared_ptr<const std::map<std::string, std::string>> token_keys = {};
  };

  using Key = std::pair<std::string, std::string>;  // namespace, name
  using Workloads = std::map<Key, Workload>;

  // `registered` are the registry's; `state_of` gives the state of configured
  // instances by namespace and name.
  using StateOf = std::function<Workload::State(const Key&)>;
  static std::shared_ptr<Model> build(Options options, std::shared_ptr<const Objects> objects,
                                      const std::vector<Workload>& registered,
                                      const StateOf& state_of);
  Model(Options options, std::shared_ptr<const Objects> objects)
      : options_(std::move(options)), objects_(std::move(objects)) {}
  Model(const Model&) = delete;  // services point into workloads

  // An instance as it is now: registered, or not (null). Of a configured one its state
  // and health alone. Gives the services whose endpoints that changes.
  std::vector<const Service*> set(const Key& key, const Workload* registered, Workload::State state,
                                  const std::string& illness);
  // Automatic addresses, for services that have none of their own; "": none. Before the
  // model is compiled.
  void give_addresses(const std::function<std::string(const std::string& host)>& address_of);
  // Other objects of the same services and instances: rules, policies.
  void set_rules(std::shared_ptr<const Objects> objects);

  const Options& options() const { return options_; }
  const Objects& objects() const { return *objects_; }
  const Workloads& workloads() const { return workloads_; }
  const std::vector<Service>& services() const { return services_; }  // by host, namespace

  // The services that this node may call: exported to its namespace and within
  // the egress of its Sidecar, or where VirtualServices within it lead; one a host, its
  // own namespace's first.
  std::vector<const Service*> services_for(const Node& node) const;
  // Whether the VirtualService holds for the node: exported to its namespace, for
  // "mesh", and within the egress of its Sidecar, which is asked for the namespace of the
  // VirtualService and for one of its hosts.
  bool follows(const Object<istio::VirtualService>& object, const Node& node) const {
    return follows(object, node, sidecar(node.ns, node.labels));
  }
  // Whether a wildcard of a VirtualService is a host of its own to the node, at kHttpPort. It
  // is not where it overlaps a service that the node may call there: then it means such
  // services alone (Istio).
  bool is_host(const std::string& wildcard, const Node& node) const;

  // The services that have the instance, in order.
  std::vector<const Service*> services_of(const Workload& workload) const;
  // The service that a request to this host reaches from the node: by its name, a
  // short form of it, an address, or the longest wildcard. Null: none.
  const Service* service_named(std::string_view host, const Node& node) const;

  // A host as an object of `ns` writes it: completed where it is short and no
  // service has it as it stands (Istio: NAME.NAMESPACE.svc.DOMAIN).
  std::string resolve(const std::string& host, const std::string& ns) const;
  const Service* find_service(std::string_view host, std::string_view ns) const;

  // The rule for calls of a workload of `ns` with these labels to the service, merged
  // with those of its host: of the caller's namespace, then the service's, then the root's; in
  // each the most exact host, and of that, one that selects the caller. To callers of the root
  // namespace its rules are for the whole mesh, but those that are for it alone (Istio). Null:
  // none.
  const Object<istio::DestinationRule>* destination_rule(const Service& service,
                                                         const std::string& ns,
                                                         const Labels& labels) const;
  const Object<istio::DestinationRule>* destination_rule(const Service& service,
                                                         const Node& node) const {
    return destination_rule(service, node.ns, node.labels);
  }
  // By which the resources of two nodes of a namespace may differ, beside what each
  // says of its own listeners.
  struct Heeds {
    bool labels = false;       // of the caller: some rule asks for them
    bool workload = false;     // its own: some rule weighs callers
    bool credentials = false;  // where it has them: some rule names one
    bool spans = false;        // who it is: its listeners say whose their spans are
    bool operator==(const Heeds&) const = default;
  };
  Heeds heeds() const { return heeds_; }

  // Those that name one of the hosts, or a wildcard, in the order of objects().
  std::vector<const Object<istio::VirtualService>*> virtual_services_of(
      const std::set<std::string, std::less<>>& hosts) const;
  // The one that the node follows() for the host, which is of `host_ns`: that with the most
  // exact host, of the node's namespace first, then of the host's. Null: none.
  const Object<istio::VirtualService>* virtual_service(const std::string& host,
                                                       const std::string& host_ns,
                                                       const Node& node) const;
  // The policies of our own kinds for calls of `ns` to the service, chosen by the
  // object's namespace as destination_rule() does. `subset` "" is the policy of
  // the host as a whole; a subset's own comes before it.
  const Object<v1::ServicePolicy>* service_policy(const Service& service, const std::string& subset,
                                                  const std::string& ns) const;
  // All of them, by name: several may speak of different interfaces of one host.
  std::vector<const Object<v1::CircuitBreaker>*> circuit_breakers(const Service& service,
                                                                  const std::string& ns) const;
  // Those that the service's own forwarders enforce.
  std::vector<const Object<v1::RateLimit>*> rate_limits(const Service& service) const;
  // The one of the root namespace; null: none.
  const Object<v1::MeshConfig>* mesh_config() const;

  const Object<istio::Sidecar>* sidecar(const std::string& ns, const Labels& labels) const;

  // What inbound listeners of the workload ask of peers on `port`.
  istio_security::PeerAuthentication::MutualTLS::Mode peer_mode(const Workload& workload,
                                                                uint32_t port) const {
    return peer_rule(workload, port).mode;
  }
  // The same, and the policy that says so; null: none does.
  struct PeerRule {
    istio_security::PeerAuthentication::MutualTLS::Mode mode;
    const Object<istio_security::PeerAuthentication>* object;
  };
  PeerRule peer_rule(const Workload& workload, uint32_t port) const;

  // The workload's identity; empty where it has none.
  std::string identity(const Workload& workload) const;

  // The instance that a node is: its WorkloadEntry or registration; null where
  // it is a client only or nothing declares it.
  const Workload* workload_of(const Node& node) const;
  // Where the node is: as it says, else as its workload's entry says; or empty.
  std::string locality(const Node& node) const;

 private:
  void add_configured(const std::vector<Workload>& registered);
  void add_services();
  void add_service(const Object<istio::ServiceEntry>& entry, const std::string& host);
  void index_services();
  void index_rules();
  // Whose policies for a service hold for calls of `ns`, the first before the next.
  std::vector<std::string_view> nearest(const std::string& ns, const Service& service) const;
  std::vector<size_t> places_of(const std::string& ns, const Labels& labels) const;
  bool may_call(const Service& service, const Node& node,
                const Object<istio::Sidecar>* scope) const;
  bool follows(const Object<istio::VirtualService>& object, const Node& node,
               const Object<istio::Sidecar>* scope) const;
  std::set<const Service*> led_to(const Node& node, const Object<istio::Sidecar>* scope) const;

  const Options options_;
  std::shared_ptr<const Objects> objects_;
  Workloads workloads_;  // nodes stay where they are
  std::vector<std::unique_ptr<Workload>> inline_workloads_;
  std::vector<Service> services_;
  // By namespace and one label of the selector: the services with it.
  std::map<std::string, std::vector<size_t>> selectors_;
  std::map<std::string, std::vector<size_t>, std::less<>> by_address_;
  HostIndex virtual_services_;
  std::vector<DestinationRuleRef> rules_;  // merged
  HostIndex destination_rules_;            // of `rules_`
  HostIndex service_policies_;
  HostIndex circuit_breakers_;
  HostIndex rate_limits_;
  Heeds heeds_;
};

// Whether an object of `ns` with this exportTo is seen from `viewer`; "~" is nobody.
template <class ExportTo>
bool visible(const ExportTo& export_to, const std::string& ns, const std::string& viewer) {
  if (export_to.empty()) return true;
  for (const auto& to : export_to)
    if (to == "*" || to == viewer || (to == "." && ns == viewer)) return true;
  return false;
}

// Whether what names these gateways holds for the forwarders beside workloads
// ("mesh", and the default).
template <class Gateways>
bool for_mesh(const Gateways& gateways) {
  if (gateways.empty()) return true;
  for (const auto& gateway : gateways)
    if (gateway == "mesh") return true;
  return false;
}

// Whether what the node sends is told apart by port alone somewhere, so that it cannot ask for
// hosts by name.
inline bool listens_by_port(const Node& node) {
  return !node.outbound_tcp.empty() || !node.capture_outbound.address.empty();
}

// The port at which hosts that only VirtualServices have are called (Istio).
inline constexpr uint32_t kHttpPort = 80;

// Whether a host of a Sidecar's egress in `ns`, NAMESPACE/HOST, lets the service through.
bool egress_allows(std::string_view egress, const Service& service, const std::string& ns);

// How exactly `pattern` ("*", "*.example.org", "a.example.org") matches the
// host: 0 not at all, and more the longer what is fixed; the host itself most.
size_t host_match(std::string_view pattern, std::string_view host);

// Whether some host may match both; each is one, or a pattern.
inline bool hosts_overlap(std::string_view a, std::string_view b) {
  return host_match(a, b) > 0 || host_match(b, a) > 0;
}

}  // namespace mesh::discovery

#include <climits>
#include <cstdlib>
#include <optional>

#include "base/host_name.h"
#include "base/json.h"
#include "cmd/mesh/commands.h"
#include "config/reader.h"
#include "identity/spiffe_id.h"
#include "mesh/settings_forwarder.pb.h"
#include "net/address.h"
#include "xds/node.h"

namespace mesh::cmd {
namespace {

using cli::Exit;
using json::Writer;

constexpr const char* kTypes = "type.googleapis.com/envoy.extensions.";
// Names of secrets, as compiled resources have them.
constexpr const char* kOwn = "default";
constexpr const char* kRoots = "ROOTCA";
// The cluster of certd's secrets, as Istio's bootstrap names it.
constexpr const char* kSds = "sds-grpc";

struct Plan {
  settings::v1::Forwarder forwarder;
  std::string id;
  net::Address xds;
  std::string certificates;         // absolute; empty: none
  std::optional<net::Address> sds;  // certd's socket, in place of certificates
  std::string server_identity;
  bool whole = false;  // state of the world
};

// As the forwarder of these settings would name itself: NAME@HOST.
std::string node_id(const settings::v1::Forwarder& settings, const std::string& path) {
  std::string name = settings.name().empty() ? settings.workload() : settings.name();
  if (name.empty()) {
    name = path.substr(path.rfind('/') + 1);
    name = name.substr(0, name.rfind('.'));
  }
  return name + "@" + host_name();
}

void address(Writer& w, const net::Address& address) {
  w.key("address").object();
  if (address.is_unix())
    w.key("pipe").object().field("path", address.host()).end();
  else
    w.key("socket_address")
        .object()
        .field("address", address.host())
        .key("port_value")
        .number(address.port())
        .end();
  w.end();
}

void node(Writer& w, const Plan& plan) {
  const auto& from = plan.forwarder;
  w.key("node").object().field("id", plan.id);
  w.field("cluster", from.workload().empty() ? plan.id : from.workload());
  w.key("metadata").object();
  const auto tell = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) w.field(name, value);
  };
  namespace key = xds::node;
  tell("namespace", from.namespace_().empty() ? "default" : from.namespace_());
  tell("workload", from.workload());
  tell(key::kServiceAccount, from.service_account());
  tell(key::kOutbound, from.outbound());
  tell(key::kOutboundMode, from.outbound_mode());
  tell(key::kOutboundTcp, from.outbound_tcp());
  tell(key::kAccessLog, from.access_log());
  tell(key::kCredentials, from.credentials());
  tell(key::kAddress, from.address());
  tell(key::kLocality, from.locality());
  std::string ports;
  for (const auto& [port, number] : from.ports())
    ports += (ports.empty() ? "" : ",") + port + "=" + std::to_string(number);
  tell(key::kPorts, ports);
  tell("certificates", plan.certificates);
  tell("sds", plan.sds ? kSds : "");
  w.key("labels").object();
  for (const auto& [name, value] : from.labels()) w.field(name, value);
  w.end().end().end();
}

void secret_of(Writer& w, const Plan& plan, const std::string& name) {
  w.object().field("name", name).key("sds_config").object();
  if (plan.sds) {
    w.key("api_config_source").object().field("api_type", "GRPC");
    w.field("transport_api_version", "V3").key("grpc_services").list().object();
    w.key("envoy_grpc").object().field("cluster_name", kSds).end().end().end().end();
  } else {
    w.key("path_config_source").object();
    w.field("path", plan.certificates + "/" + name + ".json").end();
  }
  w.field("resource_api_version", "V3").end().end();
}

void transport(Writer& w, const Plan& plan) {
  w.key("transport_socket").object().field("name", "envoy.transport_sockets.tls");
  w.key("typed_config").object();
  w.field("@type", std::string(kTypes) + "transport_sockets.tls.v3.UpstreamTlsContext");
  w.key("common_tls_context").object();
  w.key("tls_params").object().field("tls_minimum_protocol_version", "TLSv1_3");
  w.field("tls_maximum_protocol_version", "TLSv1_3").end();
  w.key("alpn_protocols").list().string("h2").end();
  w.key("tls_certificate_sds_secret_configs").list();
  secret_of(w, plan, kOwn);
  w.end().key("combined_validation_context").object();
  w.key("default_validation_context").object();
  w.key("match_typed_subject_alt_names").list().object().field("san_type", "URI");
  w.key("matcher").object().field("exact", plan.server_identity).end().end().end().end();
  w.key("validation_context_sds_secret_config");
  secret_of(w, plan, kRoots);
  w.end().end().end().end();
}

void cluster(Writer& w, const Plan& plan, const char* name, const net::Address& at) {
  w.object().field("name", name).field("type", "STATIC").field("connect_timeout", "5s");
  w.key("typed_extension_protocol_options").object();
  w.key("envoy.extensions.upstreams.http.v3.HttpProtocolOptions").object();
  w.field("@type", std::string(kTypes) + "upstreams.http.v3.HttpProtocolOptions");
  w.key("explicit_http_config").object().key("http2_protocol_options").object();
  w.key("connection_keepalive").object().field("interval", "30s").field("timeout", "10s");
  w.end().end().end().end().end();
  w.key("load_assignment").object().field("cluster_name", name);
  w.key("endpoints").list().object().key("lb_endpoints").list().object();
  w.key("endpoint").object();
  address(w, at);
  w.end().end().end().end().end().end();
  if (!at.is_unix()) transport(w, plan);
  w.end();
}

std::string bootstrap(const Plan& plan) {
  Writer w;
  w.object();
  node(w, plan);
  if (!plan.forwarder.admin().empty()) {
    w.key("admin").object();
    address(w, *net::Address::parse(plan.forwarder.admin()));
    w.end();
  }
  w.key("dynamic_resources").object().key("ads_config").object();
  w.field("api_type", plan.whole ? "GRPC" : "DELTA_GRPC").field("transport_api_version", "V3");
  w.key("grpc_services").list().object().key("envoy_grpc").object();
  w.field("cluster_name", "discoveryd").end().end().end().end();
  for (const char* const type : {"cds_config", "lds_config"})
    w.key(type).object().key("ads").object().end().field("resource_api_version", "V3").end();
  w.end().key("static_resources").object().key("clusters").list();
  cluster(w, plan, "discoveryd", plan.xds);
  if (plan.sds) cluster(w, plan, kSds, *plan.sds);
  w.end().end().end();
  return w.take();
}

// What bootstrap() has for the connection to discoveryd itself: files of their own, one a
// secret, because only such are read again when the certificate is renewed.
std::string secret(const Plan& plan, const std::string& name) {
  Writer w;
  const auto file = [&](const char* key, const char* path) {
    w.key(key).object().field("filename", plan.certificates + path).end();
  };
  w.object().key("resources").list().object();
  w.field("@type", std::string(kTypes) + "transport_sockets.tls.v3.Secret").field("name", name);
  if (name == kOwn) {
    w.key("tls_certificate").object();
    file("certificate_chain", "/svid.crt");
    file("private_key", "/svid.key");
  } else {
    w.key("validation_context").object();
    file("trusted_ca", "/bundle.crt");
  }
  w.end().end().end().end();
  return w.take();
}

Result<Plan> plan_of(const cli::Context& context) {
  Plan plan;
  const auto& arguments = context.arguments;
  const std::string& path = arguments.words()[0];
  config::Places places;
  MESH_TRY_VOID(config::read_settings(path, plan.forwarder, &places));
  if (const auto& admin = plan.forwarder.admin(); !admin.empty())
    if (auto parsed = net::Address::parse(admin); !parsed)
      return config::at_place(std::move(parsed).error().during("admin"), path, places);
  plan.id = node_id(plan.forwarder, path);
  MESH_TRY(plan.xds, net::Address::parse(arguments.get("--xds", context.run_dir + "/xds.sock")));
  plan.certificates = arguments.get("--certificates");
  if (!plan.certificates.empty()) {
    char* const resolved = realpath(plan.certificates.c_str(), nullptr);
    if (resolved == nullptr) return errno_error(plan.certificates);
    plan.certificates = resolved;
    free(resolved);
  }
  if (arguments.has("--sds")) {
    if (!plan.certificates.empty()) return Error{Errc::Invalid, "--sds: not beside --certificates"};
    MESH_TRY(plan.sds, net::Address::unix_path(arguments.get("--sds")));
  }
  const bool known = plan.sds || !plan.certificates.empty();
  if ((!known && !plan.xds.is_unix()) || (plan.certificates.empty() && arguments.has("--secret")))
    return Error{Errc::Invalid, "--certificates DIR, or --sds, is needed for mutual TLS"};
  plan.server_identity =
      arguments.get("--server-identity", "spiffe://cluster.local/ns/istio-system/sa/discoveryd");
  MESH_TRY_VOID(identity::SpiffeId::parse(plan.server_identity));
  plan.whole = arguments.has("--state-of-the-world");
  return plan;
}

Exit run(cli::Context& context) {
  const auto plan = plan_of(context);
  if (!plan) return context.fail(Exit::No, plan.error().text);
  const std::string name = context.arguments.get("--secret");
  if (!name.empty() && name != kOwn && name != kRoots)
    return context.fail(Exit::Usage, "--secret: expected default or ROOTCA");
  cli::print(stdout, name.empty() ? bootstrap(*plan) : secret(*plan, name));
  return Exit::Done;
}

}  // namespace

cli::Command envoy_bootstrap_command() {
  return {.name = "envoy-bootstrap",
          .summary = "print the bootstrap of an Envoy in a forwarder's place",
          .words = "FILE",
          .words_min = 1,
          .words_max = 1,
          .example = "mesh envoy-bootstrap web-1.yaml --certificates /etc/web-1 > web-1.json",
          .more =
              "FILE is the settings file of the forwarder whose place it takes. Envoy gets the\n"
              "same resources from discoveryd, whose settings have `xds: {}` for it.\n"
              "mesh-envoy(7) has the steps, and what differs.\n",
          .options = {{"--xds", "ADDRESS", "ADDRESS:PORT or socket of discoveryd"},
                      {"--certificates", "DIR", "where `mesh cert request` puts them"},
                      {"--sds", "SOCKET", "of certd: it has the certificate and key"},
                      {"--server-identity", "ID", "discoveryd's, where --xds is ADDRESS:PORT"},
                      {"--secret", "NAME", "print DIR/NAME.json: default or ROOTCA"},
                      {"--state-of-the-world", "", "everything comes at each change"}},
          .exits = {Exit::No},
          .run = run};
}

}  // namespace mesh::cmd

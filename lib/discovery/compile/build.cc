#include "discovery/compile/build.h"

#include <algorithm>

#include "base/text.h"
#include "discovery/compile/capture.h"
#include "identity/digest.h"
#include "xds/serialize.h"

namespace mesh::discovery {
namespace {

namespace core = envoy::config::core::v3;

constexpr std::string_view kUnixScheme = "unix://";

std::string strip_unix(std::string_view text) {
  return std::string(text.starts_with(kUnixScheme) ? text.substr(kUnixScheme.size()) : text);
}

bool is_loopback(std::string_view address) {
  return address.starts_with("127.") || address == "::1";
}

// Without a Sidecar: the ports that services find this workload on, forwarded
// to the same port of the loopback, as Istio does.
void add_by_services(const Model& model, const Workload& workload, bool captured,
                     const istio::ConnectionPoolSettings* pool, std::vector<InboundPort>& ports) {
  if (is_loopback(workload.address)) return;  // it would call itself
  for (const auto* service : model.services_of(workload)) {
    for (const auto& port : service->ports) {
      const Instance instance = instance_of(workload, port);
      const bool there = std::any_of(ports.begin(), ports.end(), [&](const InboundPort& other) {
        return other.port == instance.port;
      });
      if (there || instance.port == 0) continue;
      ports.push_back({.bind = workload.address,
                       .port = instance.port,
                       .application = captured ? "" : "127.0.0.1:" + std::to_string(instance.port),
                       .http = is_http(port.protocol),
                       .http2 = needs_http2(port.protocol),
                       .declared = port.declared,
                       .captured = captured,
                       .origin = service->object,
                       .pool = pool});
    }
  }
}

// What is spoken once TLS has ended (Istio).
std::string protocol_within(const istio::IstioIngressListener& ingress) {
  const std::string protocol = protocol_of(ingress.port().protocol());
  if (!ingress.has_tls()) return protocol;
  return protocol == "HTTPS" ? "HTTP" : "TCP";
}

}  // namespace

void pack(const google::protobuf::Message& message, google::protobuf::Any& into) {
  into.set_type_url("type.googleapis.com/" + message.GetTypeName());
  into.set_value(xds::serialize(message));
}

Resource resource(std::string name, const google::protobuf::Message& message) {
  return resource(std::move(name), xds::serialize(message));
}

Resource resource(std::string name, std::string body) {
  std::string version = text::to_hex(identity::sha256(body)).substr(0, 16);
  return {std::move(name), std::move(version),
          std::make_shared<const std::string>(std::move(body))};
}

void set(Duration duration, google::protobuf::Duration& into) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration);
  into.set_seconds(seconds.count());
  into.set_nanos(int32_t((duration - seconds).count()));
}

void set_address(std::string_view text, core::Address& into) {
  if (text.starts_with('/') || text.starts_with('@') || text.starts_with(kUnixScheme)) {
    into.mutable_pipe()->set_path(strip_unix(text));
    return;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return set_address(text, 0, into);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto port = text::parse_uint(text.substr(colon + 1), 65535);
  set_address(host, port ? uint32_t(*port) : 0, into);
}

void set_address(std::string_view ip, uint32_t port, core::Address& into) {
  auto& socket = *into.mutable_socket_address();
  socket.set_address(std::string(ip));
  socket.set_port_value(port);
}

void set_ads(core::ConfigSource& source) {
  source.mutable_ads();
  source.set_resource_api_version(core::V3);
}

std::vector<InboundPort> inbound_ports(const Model& model, const Node& node) {
  std::vector<InboundPort> ports;
  const Workload* workload = model.workload_of(node);
  if (workload == nullptr) return ports;
  const bool captures = !node.capture_inbound.address.empty();
  const auto* sidecar = model.sidecar(workload->ns, workload->labels);
  const auto* const pool = sidecar != nullptr && sidecar->spec.has_inbound_connection_pool()
                               ? &sidecar->spec.inbound_connection_pool()
                               : nullptr;
  if (sidecar != nullptr && !sidecar->spec.ingress().empty()) {
    for (int i = 0; i < sidecar->spec.ingress_size(); ++i) {
      const auto& ingress = sidecar->spec.ingress(i);
      const bool captured = captures && ingress.capture_mode() != istio::NONE;
      if (ingress.capture_mode() == istio::IPTABLES && !captured) continue;
      const std::string protocol = protocol_within(ingress);
      ports.push_back(
          {.bind = ingress.bind().empty() ? workload->address : ingress.bind(),
           .port = ingress.port().number(),
           .application = !ingress.default_endpoint().empty() ? ingress.default_endpoint()
                          : captured                          ? ""
                                     : "127.0.0.1:" + std::to_string(ingress.port().number()),
           .http = is_http(protocol),
           .http2 = needs_http2(protocol),
           .declared = !protocol.empty(),
           .captured = captured,
           .origin = origin_of("Sidecar", sidecar->ns, sidecar->name,
                               "ingress[" + std::to_string(i) + "]"),
           .pool = ingress.has_connection_pool() ? &ingress.connection_pool() : pool,
           .tls = ingress.has_tls() ? &ingress.tls() : nullptr});
    }
  } else {
    add_by_services(model, *workload, captures, pool, ports);
  }
  return ports;
}

std::string inbound_name(const InboundPort& port) {
  if (port.captured && port.port == 0) return kInboundPassthrough;
  return "inbound|" + std::to_string(port.port) + "||";
}

std::string outbound_name(uint32_t port, std::string_view subset, std::string_view host) {
  return "outbound|" + std::to_string(port) + "|" + std::string(subset) + "|" + std::string(host);
}

std::string destination_cluster(const Model& model, const istio::Destination& destination,
                                const std::string& ns, uint32_t port) {
  const std::string host = model.resolve(destination.host(), ns);
  uint32_t number = destination.port().number();
  if (number == 0) {
    const Service* service = model.find_service(host, ns);
    number = service != nullptr && service->ports.size() == 1 ? service->ports[0].number : port;
  }
  return outbound_name(number, destination.subset(), host);
}

bool speaks_tls(const Model& model, const Service& service, const Instance& instance) {
  using Tls = istio_security::PeerAuthentication::MutualTLS;
  if (service.external || model.identity(*instance.workload).empty()) return false;
  return model.peer_mode(*instance.workload, instance.port) != Tls::DISABLE;
}

}  // namespace mesh::discovery

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "config/validate/server_tls.h"

namespace mesh::config {
namespace {

using namespace ::istio::networking::v1alpha3;

void check_hosts(const Server& server, const std::string& path, Checker& checker) {
  checker.expect(!server.hosts().empty(), path, "expected at least one host");
  for (int i = 0; i < server.hosts_size(); ++i) {
    const std::string at = at_index(path, i);
    const size_t slash = server.hosts(i).find('/');
    const std::string ns = slash == std::string::npos ? "*" : server.hosts(i).substr(0, slash);
    if (ns != "." && ns != "*") checker.label_name(at, ns);
    checker.host(at, server.hosts(i).substr(slash == std::string::npos ? 0 : slash + 1), true);
  }
}

bool with_tls(const Port& port) {
  return text::iequals(port.protocol(), "HTTPS") || text::iequals(port.protocol(), "TLS");
}

void check_port(const Server& server, const std::string& path, Checker& checker) {
  const Port& port = server.port();
  const bool pipe = server.bind().starts_with("unix://");
  if (pipe)
    checker.expect(port.number() == 0, path + ".number", "expected 0, since bind is a path");
  else
    checker.port(path + ".number", port.number());
  if (port.name().empty())
    checker.fail(path + ".name", "expected a name");
  else
    checker.label_name(path + ".name", port.name());
  constexpr std::string_view kProtocols[] = {"HTTP",  "HTTPS", "GRPC", "GRPC-WEB",
                                             "HTTP2", "MONGO", "TCP",  "TLS"};
  checker.expect(std::any_of(std::begin(kProtocols), std::end(kProtocols),
                             [&](auto known) { return text::iequals(known, port.protocol()); }),
                 path + ".protocol",
                 "expected HTTP, HTTPS, GRPC, GRPC-WEB, HTTP2, MONGO, TCP or TLS, got " +
                     text::quoted(port.protocol()));
}

void check_bind(const std::string& bind, const std::string& path, Checker& checker) {
  if (bind.empty() || is_ip_address(bind)) return;
  checker.expect(bind.starts_with("unix:///") || bind.starts_with("unix://@"), path,
                 "expected an IP address, unix:///PATH or unix://@NAME, got " + text::quoted(bind));
}

void check_server(const Server& server, const std::string& path, Checker& checker) {
  check_port(server, path + ".port", checker);
  check_bind(server.bind(), path + ".bind", checker);
  check_hosts(server, path + ".hosts", checker);
  if (with_tls(server.port())) {
    if (checker.expect(server.has_tls(), path + ".tls",
                       "is needed with protocol " + server.port().protocol()))
      check_server_tls(server.tls(), path + ".tls", checker);
    return;
  }
  if (!server.has_tls()) return;
  const bool http = !text::iequals(server.port().protocol(), "TCP") &&
                    !text::iequals(server.port().protocol(), "MONGO");
  checker.expect(http && server.tls().https_redirect(), path + ".tls",
                 "protocol " + server.port().protocol() + " has no TLS; use HTTPS or TLS");
  checker.expect(server.tls().mode() == ServerTLSSettings::PASSTHROUGH, path + ".tls.mode",
                 "is for protocols HTTPS and TLS");
}

}  // namespace

void validate(const Gateway& gateway, Checker& checker) {
  checker.expect(!gateway.selector().empty(), "spec.selector",
                 "expected the labels of the forwarders that listen");
  checker.labels("spec.selector", gateway.selector());
  checker.expect(gateway.servers_size() > 0, "spec.servers", "expected at least one server");
  std::set<std::string> port_names;
  std::set<std::string> names;
  std::map<std::pair<std::string, uint32_t>, bool> places;  // and whether TLS is spoken there
  for (int i = 0; i < gateway.servers_size(); ++i) {
    const Server& server = gateway.servers(i);
    const std::string path = at_index("spec.servers", i);
    check_server(server, path, checker);
    checker.expect(server.port().name().empty() || port_names.insert(server.port().name()).second,
                   path + ".port.name", "the name " + server.port().name() + " is there twice");
    checker.expect(server.name().empty() || names.insert(server.name()).second, path + ".name",
                   "the name " + server.name() + " is there twice");
    const bool tls = with_tls(server.port());
    const auto [place, fresh] = places.try_emplace({server.bind(), server.port().number()}, tls);
    checker.expect(place->second == tls, path + ".port.number",
                   "port " + std::to_string(server.port().number()) +
                       " is there with TLS and without; use another port");
  }
}

}  // namespace mesh::config

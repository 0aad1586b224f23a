#include <algorithm>
#include <set>

#include "base/text.h"
#include "config/validate/http_route.h"
#include "config/validate/validate.h"

namespace mesh::config {
namespace {

using namespace ::istio::networking::v1alpha3;

// As Istio has both.
constexpr size_t kBodyBytesMax = 1024 * 1024;
constexpr size_t kBodyBytesLarge = 100 * 1024;

void check_destination(const Destination& destination, const std::string& path, Checker& checker) {
  if (destination.host().empty())
    checker.fail(path + ".host", "expected a host");
  else  // of a service; "*" is none
    checker.host(path + ".host", destination.host(), destination.host() != "*");
  if (!destination.subset().empty()) checker.label_name(path + ".subset", destination.subset());
  if (destination.has_port()) checker.port(path + ".port.number", destination.port().number());
}

void check_weights(const HTTPRoute& route, const std::string& path, Checker& checker) {
  int64_t sum = 0;
  for (int i = 0; i < route.route_size(); ++i) {
    const auto& entry = route.route(i);
    const std::string at = at_index(path + ".route", i);
    if (entry.has_destination())
      check_destination(entry.destination(), at + ".destination", checker);
    else
      checker.fail(at + ".destination", "expected a mapping with a host");
    checker.range(at + ".weight", entry.weight(), 0, 1'000'000);
    check_headers(entry.headers(), at + ".headers", false, checker);
    sum += entry.weight();
  }
  if (route.route_size() > 1)
    checker.expect(sum > 0, path + ".route", "expected weights whose sum is not 0");
}

void check_delegate(const Delegate& delegate, const std::string& path, Checker& checker) {
  if (delegate.name().empty())
    checker.fail(path + ".name", "expected a name");
  else
    checker.dns_name(path + ".name", delegate.name());
  if (!delegate.namespace_().empty())
    checker.label_name(path + ".namespace", delegate.namespace_());
}

void check_mirrors(const HTTPRoute& route, const std::string& path, Checker& checker) {
  checker.expect(!route.has_mirror() || route.mirrors().empty(), path + ".mirrors",
                 "and mirror are both there: expected one of them");
  if (route.has_mirror()) check_destination(route.mirror(), path + ".mirror", checker);
  checker.expect(!route.has_mirror_percent() || !route.has_mirror_percentage(),
                 path + ".mirrorPercent",
                 "and mirrorPercentage are both there: expected the latter");
  checker.range(path + ".mirrorPercent", route.mirror_percent().value(), 0, 100);
  if (route.has_mirror_percentage())
    checker.range(path + ".mirrorPercentage", route.mirror_percentage().value(), 0, 100);
  for (int i = 0; i < route.mirrors_size(); ++i) {
    const std::string at = at_index(path + ".mirrors", i);
    check_destination(route.mirrors(i).destination(), at + ".destination", checker);
    checker.range(at + ".percentage", route.mirrors(i).percentage().value(), 0, 100);
  }
}

// What an answer of our own leaves without effect: refused where Istio refuses it, else said.
void check_unused(const HTTPRoute& route, const std::string& path, Checker& checker) {
  const std::string beside = route.has_redirect() ? "redirect" : "directResponse";
  checker.expect(!route.has_rewrite(), path + ".rewrite", "does nothing with " + beside);
  checker.expect(!route.has_fault(), path + ".fault", "does not go with " + beside);
  const auto warn = [&](bool there, const char* field) {
    if (there) checker.warn(path + "." + field, "does nothing with " + beside);
  };
  warn(route.has_timeout(), "timeout");
  warn(route.has_retries(), "retries");
  warn(route.has_mirror(), "mirror");
  warn(!route.mirrors().empty(), "mirrors");
}

void check_direct(const HTTPDirectResponse& direct, const std::string& path, Checker& checker) {
  checker.range(path + ".status", direct.status(), 200, 599);
  const size_t size = direct.body().string().size() + direct.body().bytes().size();
  const bool fits = checker.expect(size <= kBodyBytesMax, path + ".body",
                                   "longer than " + std::to_string(kBodyBytesMax) + " bytes");
  if (fits && size > kBodyBytesLarge)
    checker.warn(path + ".body", "is longer than " + std::to_string(kBodyBytesLarge) +
                                     " bytes, which every forwarder with the route keeps");
}

void check_redirected_prefix(const HTTPRoute& route, const std::string& path, Checker& checker) {
  if (route.redirect().prefix_rewrite().empty()) return;
  const bool prefix = std::all_of(route.match().begin(), route.match().end(), [](const auto& m) {
    return !m.has_uri() || m.uri().has_prefix();
  });
  checker.expect(prefix, path + ".redirect.prefixRewrite", "needs matches of uri by prefix alone");
}

void check_route(const HTTPRoute& route, const std::string& path, Checker& checker) {
  for (int i = 0; i < route.match_size(); ++i)
    check_match(route.match(i), at_index(path + ".match", i), checker);
  const bool direct = route.has_direct_response();
  const int actions = int(route.route_size() > 0) + int(direct) + int(route.has_redirect()) +
                      int(route.has_delegate());
  checker.expect(actions == 1, path,
                 "expected one of route, redirect, directResponse and delegate");
  if (route.has_redirect()) {
    check_redirect(route.redirect(), path + ".redirect", checker);
    check_redirected_prefix(route, path, checker);
  }
  if (route.has_delegate()) check_delegate(route.delegate(), path + ".delegate", checker);
  if (direct) check_direct(route.direct_response(), path + ".directResponse", checker);
  if (direct || route.has_redirect()) check_unused(route, path, checker);
  check_weights(route, path, checker);
  if (route.has_timeout()) checker.duration(path + ".timeout", route.timeout(), true);
  if (route.has_retries()) check_retries(route.retries(), path + ".retries", checker);
  if (route.has_fault()) check_fault(route.fault(), path + ".fault", checker);
  check_headers(route.headers(), path + ".headers", !route.rewrite().authority().empty(), checker);
  if (route.has_rewrite()) check_rewrite(route.rewrite(), path + ".rewrite", checker);
  if (route.has_cors_policy()) check_cors(route.cors_policy(), path + ".corsPolicy", checker);
  check_mirrors(route, path, checker);
}

template <class Routes>
void check_destinations(const Routes& routes, const std::string& path, Checker& checker) {
  checker.expect(!routes.empty(), path, "expected at least one destination");
  int64_t sum = 0;
  for (int i = 0; i < routes.size(); ++i) {
    const std::string at = at_index(path, i);
    if (routes[i].has_destination())
      check_destination(routes[i].destination(), at + ".destination", checker);
    else
      checker.fail(at + ".destination", "expected a mapping with a host");
    checker.range(at + ".weight", routes[i].weight(), 0, 1'000'000);
    sum += routes[i].weight();
  }
  if (routes.size() > 1) checker.expect(sum > 0, path, "expected weights whose sum is not 0");
}

template <class Match>
void check_l4(const Match& match, const std::string& path, Checker& checker) {
  if (match.port() != 0) checker.port(path + ".port", match.port());
  checker.labels(path + ".sourceLabels", match.source_labels());
  if (!match.source_namespace().empty())
    checker.label_name(path + ".sourceNamespace", match.source_namespace());
  checker.gateways(path + ".gateways", match.gateways());
  for (int i = 0; i < match.destination_subnets_size(); ++i) {
    const std::string& subnet = match.destination_subnets(i);
    const size_t slash = subnet.find('/');
    const bool bits = slash == std::string::npos ||
                      text::parse_uint(std::string_view(subnet).substr(slash + 1), 32);
    checker.expect(
        is_ip_address(subnet.substr(0, slash)) && subnet.find(':') == std::string::npos && bits,
        at_index(path + ".destinationSubnets", i),
        "expected an IPv4 address or CIDR, got " + text::quoted(subnet));
  }
}

void check_tcp(const TCPRoute& route, const std::string& path, Checker& checker) {
  for (int i = 0; i < route.match_size(); ++i)
    check_l4(route.match(i), at_index(path + ".match", i), checker);
  check_destinations(route.route(), path + ".route", checker);
}

void check_tls(const TLSRoute& route, const std::string& path, Checker& checker) {
  checker.expect(route.match_size() > 0, path + ".match", "expected at least one match");
  for (int i = 0; i < route.match_size(); ++i) {
    const std::string at = at_index(path + ".match", i);
    const auto& names = route.match(i).sni_hosts();
    checker.expect(!names.empty(), at + ".sniHosts", "expected at least one name");
    for (int j = 0; j < names.size(); ++j)
      checker.host(at_index(at + ".sniHosts", j), names[j], true);
    check_l4(route.match(i), at, checker);
  }
  check_destinations(route.route(), path + ".route", checker);
}

void check_hosts(const VirtualService& service, Checker& checker) {
  // Without hosts it is a delegate, which gives its routes to others and has none of theirs.
  for (int i = 0; service.hosts().empty() && i < service.http_size(); ++i)
    checker.expect(!service.http(i).has_delegate(), at_index("spec.http", i) + ".delegate",
                   "a VirtualService without hosts is a delegate itself: it cannot delegate");
  std::set<std::string> hosts;
  for (int i = 0; i < service.hosts_size(); ++i) {
    const std::string& host = service.hosts(i);
    const std::string path = at_index("spec.hosts", i);
    if (is_ip_address(host) || checker.host(path, host, true))
      checker.expect(hosts.insert(host).second, path, "the host " + host + " is there twice");
  }
  checker.gateways("spec.gateways", service.gateways());
}

}  // namespace

void validate(const VirtualService& service, Checker& checker) {
  check_hosts(service, checker);
  checker.expect(service.http_size() + service.tcp_size() + service.tls_size() > 0, "spec",
                 "expected http, tcp or tls with at least one route");
  for (int i = 0; i < service.tcp_size(); ++i)
    check_tcp(service.tcp(i), at_index("spec.tcp", i), checker);
  for (int i = 0; i < service.tls_size(); ++i)
    check_tls(service.tls(i), at_index("spec.tls", i), checker);
  for (int i = 0; i < service.http_size(); ++i)
    check_route(service.http(i), at_index("spec.http", i), checker);
  checker.export_to("spec.exportTo", service.export_to());
}

}  // namespace mesh::config

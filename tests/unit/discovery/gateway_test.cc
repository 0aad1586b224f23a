// What Gateways and the VirtualServices bound to them become: mesh-routing(7), "GATEWAYS".
#include <catch2/catch.hpp>

#include "route/redirect.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"
#include "xds/jwt_authn.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;

std::string object(const std::string& kind, const std::string& name, const std::string& spec,
                   const std::string& ns = "demo") {
  return "\n---\napiVersion: networking.istio.io/v1\nkind: " + kind + "\nmetadata: {name: " + name +
         ", namespace: " + ns + "}\nspec: " + spec + "\n";
}

// The gateway "door" with one server of these fields.
std::string door(const std::string& server) {
  return object("Gateway", "door", "{selector: {app: edge}, servers: [" + server + "]}");
}

struct Compiled {
  std::map<std::string, std::shared_ptr<const xds::Listener>> listeners;
  std::map<std::string, std::shared_ptr<const route::Table>> routes;
};

Compiled compile(const std::string& yaml) {
  Node node = sample::node("edge-1");
  node.workload.clear();
  node.outbound.clear();
  const auto model = sample::model(sample::kAll + yaml);
  Compiled result;
  for (const auto& one : compile_listeners(*model, node)) {
    auto decoded = xds::decode_listener(*one.body);
    if (!decoded) FAIL(decoded.error().text);
    result.listeners[one.name] = *decoded;
  }
  for (const auto& one : compile_routes(*model, node)) {
    auto decoded = xds::decode_route_configuration(*one.body);
    if (!decoded) FAIL(decoded.error().text);
    result.routes[one.name] = *decoded;
  }
  return result;
}

// The cluster, the status of a direct answer, ">STATUS" of a redirect, or "none".
std::string where(const route::Table& routes, std::string_view authority, std::string_view path) {
  const auto* found =
      routes.find({.authority = authority, .method = "GET", .scheme = "http", .path = path});
  if (found == nullptr) return "none";
  if (found->redirect) return ">" + std::to_string(found->redirect->status);
  if (found->direct_status) return std::to_string(*found->direct_status);
  return found->clusters.at(0).cluster;
}

const std::string kPlain = "{port: {number: 8080, name: http, protocol: HTTP}, hosts: ";

TEST_CASE("gateway: hosts of VirtualServices that are bound to it, where both agree") {
  const auto made = compile(
      door(kPlain + "[\"*.example\", demo/only.test]}") +
      object("VirtualService", "a",
             "{hosts: [a.example, b.other], gateways: [door], http: [{route: [{destination: "
             "{host: web}}]}]}") +
      object(
          "VirtualService", "only",
          "{hosts: [\"*.test\"], gateways: [demo/door], http: [{directResponse: {status: 201}}]}") +
      object("VirtualService", "foreign",
             "{hosts: [only.test], gateways: [demo/door], http: [{directResponse: {status: 202}}]}",
             "other") +
      object("VirtualService", "inside",
             "{hosts: [c.example], http: [{directResponse: {status: 203}}]}") +
      object("VirtualService", "hidden",
             "{hosts: [d.example], gateways: [demo/door], exportTo: [\".\"], http: "
             "[{directResponse: {status: 204}}]}",
             "other"));
  REQUIRE(made.listeners.size() == 1);
  const auto& listener = *made.listeners.at("gateway|0.0.0.0|8080");
  CHECK(xds::to_string(listener.address) == "0.0.0.0:8080");
  CHECK(listener.direction == xds::TrafficDirection::Outbound);
  REQUIRE(made.routes.size() == 1);
  const auto& routes = *made.routes.at("http.8080");
  CHECK(where(routes, "a.example", "/") == "outbound|80||web");
  CHECK(where(routes, "a.example:8080", "/") == "outbound|80||web");
  CHECK(where(routes, "b.other", "/") == "none");
  CHECK(where(routes, "only.test", "/") == "201");
  CHECK(where(routes, "else.test", "/") == "none");
  CHECK(where(routes, "c.example", "/") == "none");
  CHECK(where(routes, "d.example", "/") == "none");
}

TEST_CASE("gateway: several VirtualServices of one host; matches by gateway and port") {
  const auto made = compile(
      door(kPlain + "[\"*\"]}") +
      object("VirtualService", "a",
             "{hosts: [a.example], gateways: [door, mesh], http: [{match: [{gateways: [mesh], uri: "
             "{prefix: /m}}, {gateways: [door], uri: {prefix: /a}}], directResponse: {status: "
             "201}}, {match: [{port: 1, uri: {prefix: /p}}], directResponse: {status: 202}}, "
             "{directResponse: {status: 203}}]}") +
      object("VirtualService", "b",
             "{hosts: [a.example], gateways: [door], http: [{match: [{uri: {prefix: /b}}], "
             "directResponse: {status: 204}}, {directResponse: {status: 205}}]}"));
  const auto& routes = *made.routes.at("http.8080");
  CHECK(where(routes, "a.example", "/a") == "201");
  CHECK(where(routes, "a.example", "/b") == "204");
  CHECK(where(routes, "a.example", "/m") == "203");
  CHECK(where(routes, "a.example", "/p") == "203");
}

TEST_CASE("gateway: https by server name, and the redirect to it") {
  const std::string tls =
      ", tls: {mode: MUTUAL, serverCertificate: /c.pem, privateKey: /k.pem, "
      "caCertificates: /ca.pem, subjectAltNames: [client.example], "
      "minProtocolVersion: TLSV1_3}}";
  const auto made = compile(
      door(kPlain +
           "[\"*.example\"], tls: {httpsRedirect: true}}, {port: {number: 8443, name: "
           "https-a, protocol: HTTPS}, hosts: [a.example]" +
           tls +
           ", {port: {number: 8443, name: https-b, protocol: HTTPS}, hosts: [\"*.example\"], "
           "tls: {mode: ISTIO_MUTUAL}}") +
      object("VirtualService", "a",
             "{hosts: [a.example, b.example], gateways: [door], http: [{directResponse: {status: "
             "201}}]}"));
  CHECK(where(*made.routes.at("http.8080"), "a.example", "/") == ">301");
  CHECK(where(*made.routes.at("https.8443.https-a.door.demo"), "a.example", "/") == "201");
  CHECK(where(*made.routes.at("https.8443.https-a.door.demo"), "b.example", "/") == "none");
  CHECK(where(*made.routes.at("https.8443.https-b.door.demo"), "b.example", "/") == "201");
  const auto& listener = *made.listeners.at("gateway|0.0.0.0|8443");
  REQUIRE(listener.filter_chains.size() == 2);
  const auto& first = listener.filter_chains[0];
  CHECK(first.match.server_names == std::vector<std::string>{"a.example"});
  REQUIRE(first.tls);
  CHECK(first.tls->certificate_secrets.at(0) == "file-cert:/c.pem~/k.pem");
  CHECK(first.tls->validation_secret == "file-root:/ca.pem");
  CHECK(first.tls->subject_alt_dns == std::vector<std::string>{"client.example"});
  CHECK(first.tls->require_client_certificate);
  CHECK(first.tls->tls_minimum == xds::TlsVersion::Tls13);
  CHECK(first.tls->alpn == std::vector<std::string>{"h2", "http/1.1"});
  CHECK(listener.filter_chains[1].tls->certificate_secrets.at(0) == "default");
}

TEST_CASE("gateway: a redirect has no port where it is the scheme's, the client's unless said") {
  struct Row {
    const char* redirect;
    const char* tls;
    const char* plain;
  };
  // Of https://a.example:8443/old and http://a.example:8080/old.
  const Row rows[] = {
      {"port: 443", "https://a.example/new", "http://a.example:443/new"},
      {"port: 80", "https://a.example:80/new", "http://a.example/new"},
      {"port: 443, scheme: http", "http://a.example:443/new", "http://a.example:443/new"},
      {"port: 443, scheme: https", "https://a.example/new", "https://a.example/new"},
      {"derivePort: FROM_REQUEST_PORT", "https://a.example:8443/new", "http://a.example:8080/new"},
  };
  for (const Row& row : rows) {
    INFO(row.redirect);
    const auto made = compile(
        door(kPlain +
             "['*']}, {port: {number: 8443, name: https, protocol: HTTPS}, hosts: ['*'], tls: "
             "{mode: ISTIO_MUTUAL}}") +
        object("VirtualService", "a",
               "{hosts: [a.example], gateways: [door], http: [{redirect: {authority: a.example, "
               "uri: /new, " +
                   std::string(row.redirect) + "}}]}"));
    const auto location = [&](const char* table, const char* scheme, const char* authority) {
      const route::Request request{
          .authority = authority, .method = "GET", .scheme = scheme, .path = "/old"};
      const auto* const found = made.routes.at(table)->find(request);
      REQUIRE(found != nullptr);
      return route::location(*found, request, "");
    };
    CHECK(location("https.8443.https.door.demo", "https", "a.example:8443") == row.tls);
    CHECK(location("http.8080", "http", "a.example:8080") == row.plain);
  }
}

TEST_CASE("gateway: connections by server name, undecrypted, and by port") {
  const auto made = compile(
      door("{port: {number: 9443, name: tls, protocol: TLS}, hosts: [\"*.example\"], tls: {mode: "
           "PASSTHROUGH}}, {port: {number: 9000, name: tcp, protocol: TCP}, hosts: [\"*\"]}") +
      object("VirtualService", "a",
             "{hosts: [a.example, b.other], gateways: [door], tls: [{match: [{sniHosts: "
             "[a.example, b.other]}], route: [{destination: {host: legacy.example.org}}]}]}") +
      object("VirtualService", "t",
             "{hosts: [\"*\"], gateways: [door], tcp: [{match: [{port: 1}], route: [{destination: "
             "{host: web}}]}, {match: [{port: 9000}], route: [{destination: {host: reviews, port: "
             "{number: 80}}}]}]}"));
  const auto& tls = *made.listeners.at("gateway|0.0.0.0|9443");
  REQUIRE(tls.filter_chains.size() == 1);
  CHECK(tls.filter_chains[0].match.server_names == std::vector<std::string>{"a.example"});
  CHECK_FALSE(tls.filter_chains[0].tls);
  CHECK(tls.filter_chains[0].tcp->targets.at(0).cluster == "outbound|8080||legacy.example.org");
  const auto& tcp = *made.listeners.at("gateway|0.0.0.0|9000");
  CHECK(tcp.filter_chains.at(0).tcp->targets.at(0).cluster == "outbound|80||reviews");
}

TEST_CASE("gateway: connections go on through the proxy that a rule names") {
  const auto made =
      compile(door("{port: {number: 9000, name: tcp, protocol: TCP}, hosts: [\"*\"]}") +
              object("VirtualService", "t",
                     "{hosts: [\"*\"], gateways: [door], tcp: [{route: [{destination: {host: "
                     "legacy.example.org, subset: far, port: {number: 8080}}}]}]}") +
              object("DestinationRule", "proxy",
                     "{host: legacy.example.org, subsets: [{name: far, trafficPolicy: {tunnel: "
                     "{targetHost: 2001:db8::7, targetPort: 443}}}]}"));
  const auto& tcp = *made.listeners.at("gateway|0.0.0.0|9000")->filter_chains.at(0).tcp;
  CHECK(tcp.targets.at(0).cluster == "outbound|8080|far|legacy.example.org");
  CHECK(tcp.tunnel_to == "[2001:db8::7]:443");
}

TEST_CASE("gateway: who is not selected does not listen") {
  const auto made = compile(
      object("Gateway", "other", "{selector: {app: other}, servers: [" + kPlain + "[\"*\"]}]}"));
  CHECK(made.listeners.empty());
  CHECK(made.routes.empty());
}

TEST_CASE("gateway: policies of its workload come first, of requests and connections") {
  const std::string policies =
      "\n---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: t, "
      "namespace: demo}\nspec: {selector: {matchLabels: {app: edge}}, jwtRules: [{issuer: "
      "'https://i'}]}\n---\napiVersion: security.istio.io/v1\nkind: "
      "AuthorizationPolicy\nmetadata: {name: p, namespace: demo}\nspec: {selector: {matchLabels: "
      "{app: edge}}, rules: [{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]}\n";
  const auto requests = compile(door(kPlain + "['*']}") + policies);
  const auto& chain = requests.listeners.at("gateway|0.0.0.0|8080")->filter_chains.at(0);
  REQUIRE(chain.http_filters.size() > 2);
  CHECK(chain.http_filters[0].name == "envoy.filters.http.jwt_authn");
  CHECK(chain.http_filters[1].name == "envoy.filters.http.rbac/allow");
  const auto* const jwt = route::value_of<xds::JwtAuthn>(chain.http_filters[0].config.get());
  REQUIRE(jwt != nullptr);
  CHECK(jwt->providers.at(0).clear_route_cache);

  const auto connections = compile(
      door("{port: {number: 9000, name: tcp, protocol: TCP}, hosts: ['*']}") +
      object("VirtualService", "v",
             "{hosts: ['*'], gateways: [door], tcp: [{route: [{destination: {host: ratings}}]}]}") +
      policies);
  CHECK(connections.listeners.at("gateway|0.0.0.0|9000")->filter_chains.at(0).network_rbac.size() ==
        1);
}

TEST_CASE("gateway: routes by claims of tokens") {
  const auto made =
      compile(door(kPlain + "['*']}") +
              object("VirtualService", "v",
                     "{hosts: [a.example], gateways: [door], http: ["
                     "{match: [{headers: {'@request.auth.claims[realm][role]': {prefix: ad}}}], "
                     "directResponse: {status: 201}}, "
                     "{match: [{headers: {'@Request.auth.claims.team': {regex: 'b.*'}}}], "
                     "directResponse: {status: 202}}, "
                     "{match: [{withoutHeaders: {'@request.auth.claims.sub': {exact: ann}}}], "
                     "directResponse: {status: 203}}, {directResponse: {status: 204}}]}"));
  const auto& routes = *made.routes.at("http.8080");
  struct Row {
    const char* claims;
    uint16_t status;
  };
  const Row rows[] = {
      {R"({"realm": {"role": "admin"}})", 201},
      {R"({"realm": {"role": ["user", "admin"]}})", 201},
      {R"({"realm": {"role": "user"}, "team": "blue"})", 202},
      {R"({"realm": "admin", "team": ["red", "b"]})", 202},
      {R"({"team": "xblue", "sub": "bob"})", 203},
      {R"({"team": true, "sub": ["bob"]})", 203},
      {R"({"sub": "ann"})", 204},
      {"{}", 203},
  };
  for (const Row& row : rows) {
    INFO(row.claims);
    const auto payload = json::parse(row.claims);
    REQUIRE(payload);
    const route::TokenClaims token{.name = "payload", .payload = &*payload};
    const auto* const found =
        routes.find({.authority = "a.example", .path = "/", .claims = {&token, 1}});
    REQUIRE(found != nullptr);
    CHECK(found->direct_status == row.status);
  }
  const auto* const nobody = routes.find({.authority = "a.example", .path = "/"});
  REQUIRE(nobody != nullptr);
  CHECK(nobody->direct_status == 203);
}

TEST_CASE("gateway: several certificates of a server, and clients whose own are pinned") {
  const auto context = [](const std::string& tls) {
    const auto made = compile(door(
        "{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {" + tls + "}}"));
    return made.listeners.at("gateway|0.0.0.0|443")->filter_chains.at(0).tls.value();
  };
  using Names = std::vector<std::string>;
  const auto files = context(
      "mode: MUTUAL, caCertificates: /ca.pem, caCrl: /ca.crl, verifyCertificateSpki: "
      "['qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo='], tlsCertificates: [{serverCertificate: "
      "/a.pem, privateKey: /a.key}, {serverCertificate: /b.pem, privateKey: /b.key}]");
  CHECK(files.certificate_secrets == Names{"file-cert:/a.pem~/a.key", "file-cert:/b.pem~/b.key"});
  CHECK(files.validation_secret == "file-root:/ca.pem");
  CHECK(files.crl.file == "/ca.crl");
  CHECK(files.key_hashes == Names{std::string(64, 'a')});
  const auto named =
      context("mode: MUTUAL, credentialNames: [rsa, ecdsa], verifyCertificateHash: ['" +
              std::string(64, 'B') + "']");
  const std::string at = "/etc/mesh/credentials/";
  CHECK(named.certificate_secrets ==
        Names{"file-cert:" + at + "rsa/tls.crt~" + at + "rsa/tls.key",
              "file-cert:" + at + "ecdsa/tls.crt~" + at + "ecdsa/tls.key"});
  CHECK(named.validation_secret == "file-root:" + at + "rsa/ca.crt");
  CHECK(named.certificate_hashes == Names{std::string(64, 'b')});
}

TEST_CASE("gateway: a credential is files of the forwarder's directory") {
  const auto secrets = [](const std::string& tls) {
    const auto made = compile(door(
        "{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {" + tls + "}}"));
    const auto& context = made.listeners.at("gateway|0.0.0.0|443")->filter_chains.at(0).tls;
    REQUIRE(context);
    return context->certificate_secrets.at(0) + " " + context->validation_secret;
  };
  const std::string at = "/etc/mesh/credentials/";
  const std::string pair = "file-cert:" + at + "site/tls.crt~" + at + "site/tls.key ";
  CHECK(secrets("mode: SIMPLE, credentialName: site") == pair);
  CHECK(secrets("mode: MUTUAL, credentialName: site") == pair + "file-root:" + at + "site/ca.crt");
  CHECK(secrets("mode: MUTUAL, credentialName: site, caCertCredentialName: people") ==
        pair + "file-root:" + at + "people/ca.crt");
}

}  // namespace

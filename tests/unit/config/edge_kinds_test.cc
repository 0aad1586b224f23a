// What WorkloadGroups and Gateways may say: mesh-config(5), "KINDS".
#include "unit/config/said.h"

using namespace mesh;
using testing::Saying;

TEST_CASE("object: WorkloadGroup", "[config]") {
  const std::string least = "template: {serviceAccount: reviews}";
  const auto probe = [&](const std::string& p) { return least + ", probe: {" + p + "}"; };
  const Saying rows[] = {
      {"the least", least, ""},
      {"all of it",
       "metadata: {labels: {app: reviews}, annotations: {a: b}}, template: {ports: {http: 8080}, "
       "labels: {version: v1}, serviceAccount: reviews, locality: eu/1, weight: 2}, probe: "
       "{initialDelaySeconds: 5, timeoutSeconds: 3, periodSeconds: 4, successThreshold: 1, "
       "failureThreshold: 3, httpGet: {path: /ready, port: 8080, scheme: HTTP, "
       "httpHeaders: [{name: x-a, value: b}]}}",
       ""},
      {"no template", "metadata: {}",
       "spec.template: expected a mapping, such as serviceAccount and labels"},
      {"an address", "template: {address: 10.0.0.1}",
       "spec.template.address: belongs to an instance, which registers with its own"},
      {"a label", "template: {labels: {app: a b}}",
       "spec.template.labels[\"app\"]: expected a label's value of letters, digits, -, _ and ., at "
       "most 63 bytes, got \"a b\""},
      {"a probe of nothing", probe("periodSeconds: 1"),
       "spec.probe: expected httpGet, tcpSocket or grpc"},
      {"a probe without a port", probe("tcpSocket: {}"),
       "spec.probe.tcpSocket.port: expected a port from 1 to 65535, got 0"},
      {"two probes", probe("tcpSocket: {port: 1}, grpc: {port: 1}"),
       "spec.probe: \"grpc\" excludes \"tcpSocket\", which is there too"},
      {"a command", probe("exec: {command: [/bin/true]}"),
       "spec.probe.exec: not supported: commands; use httpGet, tcpSocket or grpc"},
      {"another host", probe("httpGet: {port: 1, host: 10.0.0.1}"),
       "spec.probe.httpGet.host: not supported: the instance's own application is asked; for the "
       "header, use httpHeaders with name: Host"},
      {"another host by TCP", probe("tcpSocket: {port: 1, host: 10.0.0.1}"),
       "spec.probe.tcpSocket.host: not supported: the instance's own application is asked"},
      {"a period backwards", probe("periodSeconds: -1, grpc: {port: 1}"),
       "spec.probe.periodSeconds: expected a number from 0 to 86400"},
      {"a scheme", probe("httpGet: {port: 1, scheme: ftp}"),
       "spec.probe.httpGet.scheme: not supported: ftp; use HTTP, or tcpSocket"},
  };
  testing::check_sayings("networking.istio.io/v1", "WorkloadGroup", rows);
}

TEST_CASE("object: Gateway", "[config]") {
  const auto server = [](const std::string& more, const std::string& protocol = "HTTPS",
                         const std::string& hosts = "[a.example]") {
    return "selector: {app: edge}, servers: [{port: {number: 443, name: p, protocol: " + protocol +
           "}, hosts: " + hosts + more + "}]";
  };
  const std::string files = "serverCertificate: /c.pem, privateKey: /k.pem";
  const auto tls = [&](const std::string& t) { return server(", tls: {" + t + "}"); };
  const Saying rows[] = {
      {"plain HTTP", server("", "HTTP", "[\"*\", ./b.example, demo/*.c.example, \"*/d\"]"), ""},
      {"a redirect to https", server(", tls: {httpsRedirect: true}", "HTTP"), ""},
      {"a certificate", tls("mode: SIMPLE, " + files), ""},
      {"all of it",
       tls("mode: MUTUAL, caCertificates: /ca.pem, subjectAltNames: [spiffe://a/b], "
           "minProtocolVersion: TLSV1_2, maxProtocolVersion: TLSV1_3, cipherSuites: "
           "[ECDHE-RSA-AES128-GCM-SHA256], " +
           files),
       ""},
      {"our own identity", tls("mode: ISTIO_MUTUAL"), ""},
      {"passed through", tls("mode: PASSTHROUGH"), ""},
      {"a path",
       "selector: {a: b}, servers: [{port: {name: p, protocol: HTTP}, hosts: [a], bind: "
       "\"unix:///run/edge\"}]",
       ""},
      {"no selector", "servers: [{port: {number: 1, name: p, protocol: TCP}, hosts: [\"*\"]}]",
       "spec.selector: expected the labels of the forwarders that listen"},
      {"no servers", "selector: {a: b}", "spec.servers: expected at least one server"},
      {"no hosts", server("", "HTTP", "[]"), "spec.servers[0].hosts: expected at least one host"},
      {"a host that is none", server("", "HTTP", "[a/b/c]"),
       "spec.servers[0].hosts[0]: expected a host name, got \"b/c\""},
      {"a protocol", server("", "UDP"),
       "spec.servers[0].port.protocol: expected HTTP, HTTPS, GRPC, GRPC-WEB, HTTP2, MONGO, TCP or "
       "TLS, got \"UDP\""},
      {"HTTPS without TLS", server(""), "spec.servers[0].tls: is needed with protocol HTTPS"},
      {"HTTP with TLS", server(", tls: {mode: ISTIO_MUTUAL}", "HTTP"),
       "spec.servers[0].tls: protocol HTTP has no TLS; use HTTPS or TLS\n"
       "spec.servers[0].tls.mode: is for protocols HTTPS and TLS"},
      {"a redirect of https", tls("httpsRedirect: true"),
       "spec.servers[0].tls.httpsRedirect: is for ports of protocol HTTP"},
      {"no certificate", tls("mode: SIMPLE, privateKey: /k.pem"),
       "spec.servers[0].tls.serverCertificate: expected the path of a PEM file, which begins with "
       "/ and has no ~, got \"\""},
      {"a credential", tls("mode: MUTUAL, credentialName: a.example"), ""},
      {"authorities apart", tls("mode: OPTIONAL_MUTUAL, caCertCredentialName: b, " + files), ""},
      {"a credential and files", tls("mode: SIMPLE, credentialName: a, " + files),
       "spec.servers[0].tls.credentialName: stands for serverCertificate and privateKey"},
      {"a credential and authorities",
       tls("mode: MUTUAL, credentialName: a, caCertificates: /ca.pem"),
       "spec.servers[0].tls.caCertificates: is ca.crt of the credential that is named"},
      {"a credential elsewhere", tls("mode: SIMPLE, credentialName: ../a"),
       "spec.servers[0].tls.credentialName: expected a name of lower-case letters, digits, - and "
       "., "
       "got \"../a\""},
      {"a credential with our own identity", tls("mode: ISTIO_MUTUAL, credentialName: a"),
       "spec.servers[0].tls.credentialName: does nothing with mode ISTIO_MUTUAL"},
      {"authorities of clients that are not asked",
       tls("mode: SIMPLE, credentialName: a, caCertCredentialName: b"),
       "spec.servers[0].tls.caCertCredentialName: clients show no certificate with mode SIMPLE; "
       "use "
       "MUTUAL"},
      {"clients that are revoked",
       tls("mode: MUTUAL, caCertificates: /ca.pem, caCrl: /ca.crl, " + files), ""},
      {"revoked clients of a credential", tls("mode: MUTUAL, credentialName: a, caCrl: /ca.crl"),
       "spec.servers[0].tls.caCrl: is for certificates in files, and a credential is named"},
      {"revoked clients that are not asked", tls("mode: SIMPLE, caCrl: /ca.crl, " + files),
       "spec.servers[0].tls.caCrl: clients show no certificate with mode SIMPLE; use MUTUAL"},
      {"several credentials", tls("mode: SIMPLE, credentialNames: [a, b]"), ""},
      {"three credentials", tls("mode: SIMPLE, credentialNames: [a, b, c]"),
       "spec.servers[0].tls.credentialNames: expected at most two certificates, as RSA and ECDSA"},
      {"a credential and several", tls("mode: SIMPLE, credentialName: a, credentialNames: [b]"),
       "spec.servers[0].tls.credentialNames: credentialName is there too, and excludes it"},
      {"several certificates",
       tls("mode: MUTUAL, caCertificates: /ca.pem, tlsCertificates: [{serverCertificate: /a.pem, "
           "privateKey: /a.key}, {serverCertificate: /b.pem, privateKey: /b.key}]"),
       ""},
      {"several certificates and one",
       tls("mode: SIMPLE, tlsCertificates: [{serverCertificate: /a.pem}], " + files),
       "spec.servers[0].tls.tlsCertificates: stands for serverCertificate and privateKey\n"
       "spec.servers[0].tls.tlsCertificates[0].privateKey: expected the path of a PEM file, which "
       "begins with / and has no ~, got \"\""},
      {"authorities of one of several",
       tls("mode: SIMPLE, tlsCertificates: [{serverCertificate: /a.pem, privateKey: /a.key, "
           "caCertificates: /ca.pem}]"),
       "spec.servers[0].tls.tlsCertificates[0].caCertificates: not supported: clients are verified "
       "by those of the server, beside tlsCertificates"},
      {"a pinned key",
       tls("mode: MUTUAL, credentialName: a, verifyCertificateSpki: "
           "['qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo=']"),
       ""},
      {"a pinned key of clients that are not asked",
       tls("mode: SIMPLE, credentialName: a, verifyCertificateSpki: "
           "['qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo=']"),
       "spec.servers[0].tls.verifyCertificateSpki: clients show no certificate with mode SIMPLE; "
       "use MUTUAL"},
      {"a pinned key that is none",
       tls("mode: MUTUAL, credentialName: a, verifyCertificateSpki: [a]"),
       "spec.servers[0].tls.verifyCertificateSpki[0]: expected the SHA-256 of a public key in "
       "base64, got \"a\""},
      {"a pinned certificate that is none",
       tls("mode: MUTUAL, credentialName: a, verifyCertificateHash: ['12:34']"),
       "spec.servers[0].tls.verifyCertificateHash[0]: expected the SHA-256 of a certificate in "
       "hexadecimal, got \"12:34\""},
      {"clients without an authority", tls("mode: MUTUAL, " + files),
       "spec.servers[0].tls.caCertificates: expected the path of a PEM file, which begins with / "
       "and has no ~, got \"\""},
      {"names of clients that are not asked", tls("mode: SIMPLE, subjectAltNames: [a], " + files),
       "spec.servers[0].tls.subjectAltNames: clients show no certificate with mode SIMPLE; use "
       "MUTUAL"},
      {"files with our own identity", tls("mode: ISTIO_MUTUAL, privateKey: /k.pem"),
       "spec.servers[0].tls.privateKey: does nothing with mode ISTIO_MUTUAL"},
      {"between networks", tls("mode: AUTO_PASSTHROUGH"),
       "spec.servers[0].tls.mode: AUTO_PASSTHROUGH is not supported: routing by cluster names in "
       "the server name, between networks; use PASSTHROUGH with a VirtualService"},
      {"an old version", tls("mode: ISTIO_MUTUAL, minProtocolVersion: TLSV1_0"),
       "spec.servers[0].tls.minProtocolVersion: TLSV1_0 is not supported: TLS 1.0 is broken; use "
       "TLSV1_2"},
      {"versions backwards",
       tls("mode: ISTIO_MUTUAL, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2"),
       "spec.servers[0].tls.maxProtocolVersion: is below minProtocolVersion"},
      {"a cipher suite", tls("mode: SIMPLE, cipherSuites: [RC4], " + files),
       "spec.servers[0].tls.cipherSuites[0]: expected a cipher suite such as "
       "ECDHE-RSA-AES128-GCM-SHA256, got \"RC4\""},
      {"two servers",
       "selector: {a: b}, servers: [{port: {number: 80, name: p, protocol: HTTP}, hosts: [a]}, "
       "{port: {number: 80, name: p, protocol: TLS}, hosts: [b], tls: {mode: PASSTHROUGH}}]",
       "spec.servers[1].port.name: the name p is there twice\n"
       "spec.servers[1].port.number: port 80 is there with TLS and without; use another port"},
  };
  testing::check_sayings("networking.istio.io/v1", "Gateway", rows);
}

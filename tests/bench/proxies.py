"""The proxies of the bench: how each is configured and started for a case.

Cases: `plain` is client -> proxy -> origin in HTTP/1.1; `pair-h1` and `pair-h2`
are client -> proxy A -> mutual TLS 1.3 -> proxy B -> origin, with HTTP/1.1 or
HTTP/2 between A and B. All have one worker, keep-alive on both sides, no access
log, and check both certificates.
"""

import shutil
import subprocess
from pathlib import Path


def make_certificates(folder):
    """ca.pem, and cert.pem + key.pem (P-256), which serves as client and server."""
    def run(*command):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run("openssl", "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
        "-subj", "/O=bench")
    run("openssl", "req", *curve, "-keyout", "key.pem", "-out", "leaf.csr", "-subj", "/CN=bench")
    (folder / "leaf.ext").write_text(
        "subjectAltName=URI:spiffe://cluster.local/ns/default/sa/bench,DNS:bench\n"
        "extendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n")
    run("openssl", "x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-out", "cert.pem", "-days", "2", "-extfile", "leaf.ext")
    (folder / "both.pem").write_text((folder / "cert.pem").read_text() +
                                     (folder / "key.pem").read_text())


def _listener(name, port, cluster, tls):
    """A static listener of an Envoy bootstrap that sends everything to one cluster."""
    text = f"""
  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {name}
          codec_type: AUTO
          generate_request_id: false
          route_config:
            name: {name}
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: "/"}}
                route: {{cluster: {cluster}}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
"""
    if tls:
        text += f"""
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}}
            tls_certificates:
            - certificate_chain: {{filename: {tls}/cert.pem}}
              private_key: {{filename: {tls}/key.pem}}
            validation_context: {{trusted_ca: {{filename: {tls}/ca.pem}}}}
"""
    return text.replace("\n\n", "\n")


def _cluster(name, port, tls, h2):
    text = f"""
  - name: {name}
    type: STATIC
    connect_timeout: 5s
    circuit_breakers: {{thresholds: [{{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000}}]}}
    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}
"""
    if h2:
        text += """
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
"""
    if tls:
        text += f"""
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: bench
        common_tls_context:
          alpn_protocols: [{"h2" if h2 else "http/1.1"}]
          tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}}
          tls_certificates:
          - certificate_chain: {{filename: {tls}/cert.pem}}
            private_key: {{filename: {tls}/key.pem}}
          validation_context: {{trusted_ca: {{filename: {tls}/ca.pem}}}}
"""
    return text.replace("\n\n", "\n")


def bootstrap(listener, cluster):
    return f"static_resources:\n  listeners:{listener}  clusters:{cluster}"


class Bootstrapped:
    """The forwarder and Envoy read the same file."""

    def __init__(self, name, program, options):
        self.name = name
        self.program = program
        self.options = options

    def can(self, case):
        return self.program is not None

    def _command(self, path, order):
        return [self.program, "-c", path, "--concurrency", "1", *self.options(order)]

    def commands(self, case, folder, front, back, origin):
        if case == "plain":
            path = folder / "plain.yaml"
            path.write_text(bootstrap(_listener("front", front, "origin", None),
                                      _cluster("origin", origin, None, False)))
            return [(self._command(path, 0), front, None)]
        h2 = case == "pair-h2"
        far = folder / "far.yaml"
        far.write_text(bootstrap(_listener("back", back, "origin", folder),
                                 _cluster("origin", origin, None, False)))
        near = folder / "near.yaml"
        near.write_text(bootstrap(_listener("front", front, "peer", None),
                                  _cluster("peer", back, folder, h2)))
        return [(self._command(far, 1), back, None), (self._command(near, 0), front, None)]


HAPROXY = """
global
    nbthread 1
    maxconn 9000
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
    option http-keep-alive
    http-reuse always
frontend front
    bind 127.0.0.1:{port} {bind}
    default_backend back
backend back
    server one 127.0.0.1:{to} {server}
"""


class HAProxy:
    name = "haproxy"

    def can(self, case):
        return shutil.which("haproxy", path="/usr/sbin:/usr/bin") is not None

    def commands(self, case, folder, front, back, origin):
        def one(name, port, to, bind="", server=""):
            path = folder / f"haproxy-{name}.cfg"
            path.write_text(HAPROXY.format(port=port, to=to, bind=bind, server=server))
            return (["/usr/sbin/haproxy", "-db", "-f", path], port, None)

        if case == "plain":
            return [one("plain", front, origin)]
        alpn = "h2" if case == "pair-h2" else "http/1.1"
        tls = f"crt {folder}/both.pem ca-file {folder}/ca.pem"
        return [
            one("far", back, origin,
                bind=f"ssl {tls} verify required alpn h2,http/1.1 ssl-min-ver TLSv1.3"),
            one("near", front, back,
                server=f"ssl {tls} verify required alpn {alpn} sni str(bench) ssl-min-ver TLSv1.3"),
        ]


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx-{name}.pid;
error_log {folder}/nginx-{name}.log;
events {{ worker_connections 19000; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    upstream back {{ server 127.0.0.1:{to}; keepalive 256; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} {bind};
        {server}
        location / {{
            proxy_pass {scheme}://back;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            {location}
        }}
    }}
}}
"""


class Nginx:
    name = "nginx"

    def can(self, case):
        return case != "pair-h2" and shutil.which("nginx", path="/usr/sbin:/usr/bin") is not None

    def commands(self, case, folder, front, back, origin):
        def one(name, port, to, bind="", server="", scheme="http", location=""):
            path = folder / f"nginx-{name}.conf"
            path.write_text(NGINX.format(folder=folder, name=name, port=port, to=to, bind=bind,
                                         server=server, scheme=scheme, location=location))
            return (["/usr/sbin/nginx", "-c", path, "-p", folder], port, None)

        if case == "plain":
            return [one("plain", front, origin)]
        return [
            one("far", back, origin, bind="ssl",
                server=f"ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; "
                       f"ssl_client_certificate {folder}/ca.pem; ssl_verify_client on; "
                       "ssl_protocols TLSv1.3;"),
            one("near", front, back, scheme="https",
                location=f"proxy_ssl_certificate {folder}/cert.pem; "
                         f"proxy_ssl_certificate_key {folder}/key.pem; "
                         f"proxy_ssl_trusted_certificate {folder}/ca.pem; proxy_ssl_verify on; "
                         "proxy_ssl_name bench; proxy_ssl_server_name on; "
                         "proxy_ssl_protocols TLSv1.3;"),
        ]


class Relay:
    name = "relay"

    def __init__(self, build):
        self.build = build

    def can(self, case):
        return case == "plain"

    def commands(self, case, folder, front, back, origin):
        return [([self.build / "test/bench-relay", front, origin], front, None)]


def all_proxies(build):
    return [
        Relay(build),
        Bootstrapped("forwarder", build / "forwarder", lambda order: []),
        HAProxy(),
        Nginx(),
        Bootstrapped("envoy", shutil.which("envoy"),
                     lambda order: ["--base-id", str(1000 + order), "-l", "error"]),
    ]


def write_small_mesh(root):
    """A mesh directory with one service, for the memory of idle daemons."""
    (root / "config").mkdir(parents=True)
    (root / "forwarders").mkdir()
    (root / "config/echo.yaml").write_text("""\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: echo, namespace: default}
spec:
  hosts: [echo]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: echo}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: echo-1, namespace: default}
spec:
  address: 127.0.0.1
  ports: {http: 18090}
  labels: {app: echo, version: v1}
  serviceAccount: echo
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: echo, namespace: default}
spec:
  workloadSelector: {labels: {app: echo}}
  ingress:
  - port: {number: 18090, protocol: HTTP, name: http}
    defaultEndpoint: 127.0.0.1:18080
""")
    (root / "forwarders/echo-1.yaml").write_text("""\
workload: echo-1
namespace: default
service_account: echo
labels: {app: echo, version: v1}
outbound: 127.0.0.1:18091
admin: 127.0.0.1:18092
concurrency: 1
""")

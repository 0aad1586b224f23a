"""Gateways and connections for differential.py: what comes in at an edge, and what is relayed.

One more place in the mesh, "edge", is a gateway, calls TCP services and is one itself, once as a
forwarder and once as an Envoy. GATEWAY are rows as those of ROUTING, whose VirtualServices are bound to its
Gateways; requests may go over TLS. CONNECTIONS are TCP services that the edge calls, and RELAYED
its own TCP ports, called in clear and, by a third proxy, under mutual TLS. Of a connection is
compared which backend answered, or that it was closed.
"""
import os
import socket
import ssl
import subprocess
import threading

from concurrent import futures

try:
    import grpc
except ImportError:
    grpc = None

from differential_cases import TO_V1, TO_V2, get
from echo_server import unused_port

ADDRESS = {"forwarder": "127.0.0.2", "envoy": "127.0.0.3"}  # where the edge's TCP calls come in
CALLER = "127.0.0.4"  # where those of the proxy that calls it do
SIDES = tuple(ADDRESS)


def at(port, request, **tls):
    """The request at another server of the Gateways: "tls", "mutual", "several", "pinned"."""
    return dict(request, server=port, tls=tls)


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

GATEWAY = {
    "edge-plain": {"http": f"[{{{TO_V1}}}]", "requests": [
        get(), get("/a?b=c", method="POST", body="x"), get(x_forwarded_for="10.1.2.3"), get(x_forwarded_proto="https"),
        get(x_envoy_internal="true"), get(x_request_id="mine")]},
    "edge-match": {"http": f"[{{match: [{{uri: {{prefix: /a}}}}], {TO_V1}}}, {{{TO_V2}}}]",
                   "requests": [get("/a"), get("/b"), get("/a/../b"), get("//a")]},
    "edge-gateway-match": {"http": f"[{{match: [{{gateways: [mesh]}}], {TO_V1}}}, {{{TO_V2}}}]", "requests": [get()]},
    "edge-redirect": {"http": "[{redirect: {scheme: https, redirectCode: 302}}]", "requests": [get("/x?y=z")]},
    "edge-direct": {"http": "[{directResponse: {status: 418, body: {string: tea}}}]", "requests": [get(), get(method="HEAD")]},
    "edge-rewrite": {"http": f"[{{match: [{{uri: {{prefix: /a}}}}], rewrite: {{uri: /b, authority: else}}, {TO_V1}}}]",
                     "requests": [get("/a/1"), get("/c")]},
    "edge-trace": {"http": f"[{{{TO_V1}}}]",
                   "requests": [get(traceparent=TRACE), get(traceparent=TRACE, tracestate="a=1,b=2")]},
    "edge-tls": {"http": f"[{{{TO_V1}}}]", "requests": [
        at("tls", get("/x"), sni="edge-tls.example"), at("tls", get("/x"), sni="nobody"), at("tls", get("/x")),
        at("tls", get("/x"), sni="edge-tls.example", version="1.2"), at("mutual", get("/x"), sni="edge-tls.example", client="client"),
        at("mutual", get("/x"), sni="edge-tls.example"), at("mutual", get("/x"), sni="edge-tls.example", client="stranger")]},
    # Of two certificates, ECDSA and RSA, which one is shown; and whose clients' keys are pinned.
    "edge-several": {"http": f"[{{{TO_V1}}}]", "requests": [
        *(at("several", get("/x"), sni=sni) for sni in ("edge-tls.example", "rsa.example", "a.wild.example", "nobody", None)),
        *(at("several", get("/x"), sni=sni, version="1.2", ciphers=f"ECDHE-{kind}-AES128-GCM-SHA256")
          for sni in ("edge-tls.example", "server", "nobody", None) for kind in ("RSA", "ECDSA"))]},
    "edge-pinned": {"http": f"[{{{TO_V1}}}]", "requests": [
        at("pinned", get("/x"), sni="edge-tls.example", client=client) for client in ("client", "server", "stranger", None)]},
}
NO_HOST = {"edge-nobody": [get(), get("/x", method="POST", body="b")]}  # hosts that no Gateway has

# What the VirtualService says besides hosts, PORT being the service's port; what clients send: None
# is a ClientHello with that server name. Backends are v1 and v2.
TO = "route: [{{destination: {{host: HOST, subset: {0}}}}}]"
CONNECTIONS = {
    "tcp-plain": ("", [b"hello\n"] * 2),
    "tcp-to-v2": (f"tcp: [{{{TO.format('v2')}}}]", [b"hello\n"] * 4),
    "tcp-port": (f"tcp: [{{match: [{{port: 1}}], {TO.format('v1')}}}, {{match: [{{port: PORT}}], {TO.format('v2')}}}]", [b"a\n"] * 3),
    "tcp-weight-0": ("tcp: [{route: [{destination: {host: HOST, subset: v1}, weight: 0}, "
                     "{destination: {host: HOST, subset: v2}, weight: 100}]}]", [b"a\n"] * 6),
    "tcp-none": (f"tcp: [{{{TO.format('none')}}}]", [b"a\n"]),
    "tcp-source": (f"tcp: [{{match: [{{sourceLabels: {{app: nobody}}}}], {TO.format('v1')}}}, "
                   f"{{match: [{{sourceLabels: {{app: edge}}}}], {TO.format('v2')}}}]", [b"a\n"] * 3),
    "sni": (f"tls: [{{match: [{{sniHosts: [sni]}}], {TO.format('v1')}}}]", ["sni", "SNI", "else.example"]),
}
# An AuthorizationPolicy of each port: ACTION and what it says of who calls.
RELAYED = {
    "relay-open": ("ALLOW", ""),
    "relay-client": ("ALLOW", "from: [{source: {principals: [cluster.local/ns/demo/sa/client]}}], "),
    "relay-stranger": ("ALLOW", "from: [{source: {principals: [cluster.local/ns/demo/sa/else]}}], "),
    "relay-namespace": ("ALLOW", "from: [{source: {namespaces: [demo]}}], "),
    "relay-ip": ("ALLOW", "from: [{source: {ipBlocks: [127.0.0.0/8]}}], "),
    "relay-not-ip": ("ALLOW", "from: [{source: {notIpBlocks: [127.0.0.0/8]}}], "),
    "relay-denied": ("DENY", "from: [{source: {notPrincipals: [cluster.local/ns/demo/sa/client]}}], "),
    "relay-http": ("ALLOW", "from: [{source: {requestPrincipals: ['*']}}], "),
    "relay-asked-of-some": ("CUSTOM, provider: {name: asked-grpc}", "from: [{source: {notIpBlocks: [127.0.0.0/8]}}], "),
    "relay-asked-in-vain": ("CUSTOM, provider: {name: gone-grpc}", ""),
    "relay-asked-open": ("CUSTOM, provider: {name: gone-open}", ""),
}
if grpc:
    RELAYED["relay-asked"] = ("CUSTOM, provider: {name: asked-grpc}", "")


def authorizer():
    """A server of Authorization.Check, and its port; null without grpcio. The client may connect, known by its
    certificate, and nobody else."""
    if not grpc:
        return None, unused_port()
    # CheckResponse.status with code 0, or 7.
    check = grpc.unary_unary_rpc_method_handler(
        lambda request, _: b"\x0a\x00" if b"/ns/demo/sa/client" in request else b"\x0a\x02\x08\x07")
    service = grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {"Check": check})
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=(service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


class Teller:
    """A TCP backend: answers what came first with its name, and the first line of it."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            client, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            client.settimeout(10)
            try:
                data = client.recv(4096)
                if data:
                    line = data.split(b"\n")[0] if data[0] < 128 and data[0] >= 32 else b"(not text)"
                    client.sendall(self.name.encode() + b":" + line)
            except OSError:
                pass


def hello(name):
    """The bytes of a ClientHello with that server name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def exchange(address, port, data):
    """What came back, "" for nothing at all."""
    try:
        with socket.create_connection((address, port), timeout=10) as client:
            client.sendall(hello(data) if isinstance(data, str) else data)
            return client.recv(4096).decode("latin-1")
    except ConnectionError:
        return ""
    except OSError as error:
        return type(error).__name__


class Edges:
    def __init__(self, mesh, documents, network, security):
        self.mesh = mesh
        self.document = documents
        self.network, self.security = network, security
        self.servers = {which: {name: unused_port() for name in ("http", "tls", "mutual", "several", "pinned")} for which in SIDES}
        self.ports = {name: unused_port() for name in CONNECTIONS}
        # The edge's own: where each instance listens, and the port of its service.
        self.relayed = {name: {which: unused_port() for which in SIDES} for name in RELAYED}
        self.called = {name: {which: unused_port() for which in SIDES} for name in RELAYED}
        self.asked, self.asked_port = authorizer()
        self.tellers = {name: Teller(name) for name in ("v1", "v2", "application")}

    def certificates(self):
        folder = self.mesh.dir
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

        def run(*arguments):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True)

        for name in ("ca", "stranger"):
            run("req", "-x509", *curve, "-keyout", f"{folder}/{name}.key", "-subj", f"/CN={name}", "-days", "1",
                "-out", f"{folder}/{name}.pem")
        names = {"server": "server", "client": "client", "server-rsa": "rsa.example,DNS:*.wild.example"}
        for name, dns in names.items():
            self.mesh.write(f"{name}.ext", f"subjectAltName=DNS:{dns},DNS:edge-tls.example")
            key = ["-newkey", "rsa:2048", "-nodes"] if name == "server-rsa" else curve
            run("req", *key, "-keyout", f"{folder}/{name}.key", "-subj", f"/CN={name}", "-out", f"{folder}/{name}.csr")
            run("x509", "-req", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key",
                "-CAcreateserial", "-days", "1", "-extfile", f"{folder}/{name}.ext", "-out", f"{folder}/{name}.pem")
        for name in ("ca", "stranger", *names):
            os.chmod(f"{folder}/{name}.key", 0o600)

    def gateway(self, which):
        ports, folder = self.servers[which], self.mesh.dir
        hosts = "hosts: [" + ", ".join(f"{name}.example" for name in GATEWAY) + "], bind: 127.0.0.1"
        keys = f"serverCertificate: {folder}/server.pem, privateKey: {folder}/server.key"
        two = ", ".join(f"{{serverCertificate: {folder}/{name}.pem, privateKey: {folder}/{name}.key}}"
                        for name in ("server", "server-rsa"))
        key = subprocess.run(f"openssl x509 -in {folder}/client.pem -noout -pubkey | openssl pkey -pubin -outform der | "
                             "openssl dgst -sha256 -binary | base64", shell=True, check=True, capture_output=True, text=True)
        return self.document("Gateway", self.network, f"door-{which}",
                             f"{{selector: {{app: edge, edge: {which}}}, servers: ["
                             f"{{port: {{number: {ports['http']}, name: http, protocol: HTTP}}, {hosts}}}, "
                             f"{{port: {{number: {ports['tls']}, name: https, protocol: HTTPS}}, "
                             f"tls: {{mode: SIMPLE, {keys}}}, {hosts}}}, "
                             f"{{port: {{number: {ports['mutual']}, name: mutual, protocol: HTTPS}}, "
                             f"tls: {{mode: MUTUAL, {keys}, caCertificates: {folder}/ca.pem}}, {hosts}}}, "
                             f"{{port: {{number: {ports['several']}, name: several, protocol: HTTPS}}, hosts: ['*'], "
                             f"bind: 127.0.0.1, tls: {{mode: SIMPLE, tlsCertificates: [{two}]}}}}, "
                             f"{{port: {{number: {ports['pinned']}, name: pinned, protocol: HTTPS}}, "
                             f"tls: {{mode: MUTUAL, {keys}, caCertificates: {folder}/ca.pem, "
                             f"verifyCertificateSpki: ['{key.stdout.strip()}']}}, {hosts}}}]}}")

    def configure(self, service):
        """The objects, as YAML; writes the settings of the edge's proxies."""
        self.certificates()
        text = "".join(self.gateway(which) for which in SIDES)
        text += service("plain-edge", [self.mesh.backends[v] for v in ("v1", "v2")])
        text += self.document("DestinationRule", self.network, "plain-edge",
                              "{host: plain-edge, subsets: [{name: v1, labels: {version: v1}}, "
                              "{name: v2, labels: {version: v2}}]}")
        for name, row in GATEWAY.items():
            text += self.document("VirtualService", self.network, name,
                                  f"{{hosts: [{name}.example], gateways: [door-forwarder, door-envoy], "
                                  f"http: {row['http'].replace('HOST', 'plain-edge')}}}")
        versions = ", ".join(f"{{name: {v}, labels: {{version: {v}}}}}" for v in ("v1", "v2", "none"))
        for name, (rules, _) in CONNECTIONS.items():
            port, protocol = self.ports[name], "TLS" if "tls:" in rules else "TCP"
            endpoints = ", ".join(f"{{address: 127.0.0.1, ports: {{bytes: {self.tellers[v].port}}}, labels: {{version: {v}}}}}"
                                  for v in (("v1",) if name == "tcp-plain" else ("v1", "v2")))
            text += self.document("ServiceEntry", self.network, name,
                                  f"{{hosts: [{name}], location: MESH_EXTERNAL, resolution: STATIC, ports: "
                                  f"[{{number: {port}, name: bytes, protocol: {protocol}}}], endpoints: [{endpoints}]}}")
            text += self.document("DestinationRule", self.network, name, f"{{host: {name}, subsets: [{versions}]}}")
            if rules:
                text += self.document("VirtualService", self.network, name,
                                      f"{{hosts: [{name}], {rules.replace('HOST', name).replace('PORT', str(port))}}}")
        text += self.document("ServiceEntry", self.network, "asked-grpc",
                              "{hosts: [asked-grpc], location: MESH_EXTERNAL, resolution: STATIC, ports: [{number: 80, "
                              "name: grpc, protocol: GRPC}], endpoints: [{address: 127.0.0.1, "
                              f"ports: {{grpc: {self.asked_port}}}}}]}}")
        for which in SIDES:
            text += self.instance(which)
        doors = ", ".join(f"'{port}'" for which in SIDES for port in self.servers[which].values())
        text += self.policy("door", "ALLOW", [f"{{to: [{{operation: {{ports: [{doors}]}}}}]}}"])
        for name, (action, who) in RELAYED.items():
            ports = ", ".join(f"'{self.relayed[name][which]}'" for which in SIDES)
            rules = [f"{{{who}to: [{{operation: {{ports: [{ports}]}}}}]}}"]
            if action != "ALLOW":  # what it does not refuse is allowed
                text += self.policy(name + "-rest", "ALLOW", [f"{{to: [{{operation: {{ports: [{ports}]}}}}]}}"])
            text += self.policy(name, action, rules)
        text += self.document("Telemetry", "telemetry.istio.io/v1", "edge",
                              "{selector: {matchLabels: {app: edge}}, tracing: [{randomSamplingPercentage: 100}]}")
        return text

    def policy(self, name, action, rules):
        return self.document("AuthorizationPolicy", self.security, name,
                             f"{{selector: {{matchLabels: {{app: edge}}}}, action: {action}, rules: [{', '.join(rules)}]}}")

    def instance(self, which):
        """Its service, one port a row, and the settings of its proxy."""
        host = f"edge-{which}"
        ports = ", ".join(f"{{number: {p[which]}, name: {name}, protocol: TCP}}" for name, p in self.called.items())
        own = ", ".join(f"{name}: {p[which]}" for name, p in self.relayed.items())
        ingress = ", ".join(f"{{port: {{number: {p[which]}, protocol: TCP, name: {name}}}, "
                            f"defaultEndpoint: '127.0.0.1:{self.tellers['application'].port}'}}"
                            for name, p in self.relayed.items())
        text = self.document("ServiceEntry", self.network, host,
                             f"{{hosts: [{host}], location: MESH_INTERNAL, resolution: STATIC, ports: [{ports}], "
                             f"workloadSelector: {{labels: {{edge: {which}}}}}}}")
        text += self.document("WorkloadEntry", self.network, host,
                              f"{{address: 127.0.0.1, ports: {{{own}}}, serviceAccount: edge, "
                              f"labels: {{app: edge, edge: {which}}}}}")
        text += self.document("Sidecar", self.network, host,
                              f"{{workloadSelector: {{labels: {{edge: {which}}}}}, ingress: [{ingress}]}}")
        folder = "forwarders" if which == "forwarder" else "envoys"
        self.mesh.write(f"{folder}/{host}.yaml",
                        f"{{workload: {host}, namespace: demo, service_account: edge, outbound_tcp: {ADDRESS[which]}, "
                        f"labels: {{app: edge, edge: {which}}}}}\n")
        return text

    def requests(self):
        """As jobs_of() has them."""
        rows = {**{name: row["requests"] for name, row in GATEWAY.items()}, **NO_HOST}
        for name, requests in rows.items():
            for i, request in enumerate(requests):
                ports = {which: self.servers[which][request.get("server", "http")] for which in SIDES}
                yield name, str(i), ports, dict.fromkeys(SIDES, f"{name}.example"), request

    def connections(self):
        """(name, what, where each side is called, what is sent)."""
        for name, (_, sent) in CONNECTIONS.items():
            for i, data in enumerate(sent):
                yield name, f"{i}", {which: (ADDRESS[which], self.ports[name]) for which in SIDES}, data
        # As long as the head of a TLS record: of less a proxy waits for more, to tell clear text from TLS.
        for name, ports in self.relayed.items():
            yield name, "clear", {which: ("127.0.0.1", ports[which]) for which in SIDES}, b"hello\n"
            yield name, "tls", {which: (CALLER, self.called[name][which]) for which in SIDES}, b"hello\n"


def difference(places, data):
    """Of what both sides give back; None: there is none."""
    got = {which: exchange(*places[which], data) for which in SIDES}
    if got["forwarder"] == got["envoy"]:
        return None
    return f"connection: forwarder {got['forwarder']!r}, Envoy {got['envoy']!r}"

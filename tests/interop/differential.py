#!/usr/bin/env python3
"""The same configuration and requests through a stock Envoy and through a forwarder.

differential.py BUILD DIR: BUILD has the programs, DIR is empty. One mesh with all rows of
differential_cases.py, one Envoy and one forwarder in the same place: as a client's sidecar for
ROUTING, as a gateway for CLAIMS, and as the sidecar of a workload for ACCESS, where requests
come in clear and, by a third proxy, under mutual TLS. What is compared: which backend, how often tried, what it saw (method,
path, headers, body), and what the client got (status, headers, body). Prints a line for each
difference that mesh-envoy(7) does not list; exit status 0 none, 1 some.
"""
import base64
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time

from concurrent import futures
from differential_cases import ACCESS, CLAIMS, ROUTING, TOKENS
from differential_edges import CALLER, GATEWAY, Edges, difference, exchange
from echo_server import Backend, unused_port

TIMES = {"x-envoy-upstream-service-time", "date"}  # there or not; the value is chance
ACCESS_ROWS = set(ACCESS)
ASKED_ROWS = {"custom", "custom-body"}
EDGE_ROWS = set(GATEWAY) | set(CLAIMS)
NO_ROUTE = {"order", "no-rule", "edge-rewrite", "edge-nobody"}
# What mesh-envoy(7), "WHAT DIFFERS" lists: the rows it holds for (None: all), and the differences.
KNOWN = [
    (None, r"headers\[server\]"),
    (None, r"headers\[connection\]: forwarder \[\], Envoy \['close'\]"),
    (NO_ROUTE, r"body: forwarder 'no route for host \"[a-z.-]+\"', Envoy ''"),
    (NO_ROUTE, r"headers\[content-type\]: forwarder \['text/plain'\], Envoy \[\]"),
    ({"nobody-there"}, "body: forwarder 'the upstream cannot be connected to: .*', Envoy 'upstream connect error"),
    ({"timeout", "retry-per-try"}, "body: forwarder .no response from the upstream within .*, Envoy 'upstream request timeout'"),
    ({"timeout-header", "retry-header"}, ""),
    ({"forwarded"}, r"backend.headers\[x-envoy-internal\]"),
    ({"hop-by-hop"}, r"backend.headers\[te\]: forwarder \[\]"),
    ({"response-headers"}, r"headers\[x-a\]: forwarder \[\]"),
    ({"odd-headers"}, r"backend.headers\[expect\]: forwarder \['100-continue'\], Envoy \[\]"),
    (ACCESS_ROWS, r"^headers\[x-envoy-upstream-service-time\]: forwarder \[\]"),
    (ACCESS_ROWS, r"backend.headers\[x-envoy-(attempt-count|original-host)\]: forwarder \[\]"),
    ({"above-root"}, ""),
    (ASKED_ROWS, r"backend.headers\[x-envoy-(internal|expected-rq-timeout-ms)\]: forwarder \[\]"),
    ({"custom"}, r"^headers\[transfer-encoding\]: forwarder \[\], Envoy \['chunked'\]"),
    (EDGE_ROWS, r"backend.headers\[x-forwarded-for\]: forwarder \['(.*,)?127\.0\.0\.1'\]"),
    (EDGE_ROWS, r"backend.headers\[traceparent\]: forwarder \['00-[0-9a-f]{32}-[0-9a-f]{16}-01'\], Envoy \[\]"),
]


def wait_for(fact, what, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if fact():
            return
        time.sleep(0.05)
    sys.exit(f"after {seconds} s still not so: {what}")


def documents(kind, group, name, spec):
    return (f"apiVersion: {group}\nkind: {kind}\n"
            f"metadata: {{name: {name}, namespace: demo}}\nspec: {spec}\n---\n")


def openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True).stdout


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_tokens(directory):
    """(JSON Web Key Set, the tokens by name)."""
    for name in ("key", "forger"):
        openssl("genrsa", "-out", f"{directory}/{name}.pem", "2048")
    modulus = openssl("rsa", "-in", f"{directory}/key.pem", "-noout", "-modulus").split(b"=")[1].strip()
    keys = {"keys": [{"kty": "RSA", "alg": "RS256", "kid": "1", "e": "AQAB",
                      "n": base64url(bytes.fromhex(modulus.decode()))}]}
    tokens = {}
    for name, claims in TOKENS.items():
        head = {"alg": "RS256", "typ": "JWT", "kid": "1"}
        body = {"iat": 1_000_000_000, "exp": 4_000_000_000, **claims}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (head, body))
        key = "forger" if name == "forged" else "key"
        signature = openssl("dgst", "-sha256", "-sign", f"{directory}/{key}.pem", stdin=signed.encode())
        tokens[name] = signed + "." + base64url(signature)
    return json.dumps(keys), tokens


# Who policies of action CUSTOM ask; "gone" has an endpoint that nobody listens at.
PROVIDERS = """{extensionProviders: [
  {name: asked, envoyExtAuthzHttp: {service: demo/asked, port: 80, timeout: 1s, statusOnError: "502",
    includeRequestHeadersInCheck: [x-want, x-case, x-a], includeAdditionalHeadersInCheck: {x-more: always},
    headersToUpstreamOnAllow: [x-user], headersToDownstreamOnDeny: [x-why]}},
  {name: asked-with-body, envoyExtAuthzHttp: {service: demo/asked, port: 80, pathPrefix: /check, failOpen: true,
    includeRequestHeadersInCheck: [x-want, x-case],
    includeRequestBodyInCheck: {maxRequestBytes: 16, allowPartialMessage: true}}},
  {name: asked-anew, envoyExtAuthzHttp: {service: demo/asked, port: 80, clearRouteCache: true,
    includeRequestHeadersInCheck: [x-want, x-case], headersToUpstreamOnAllow: [x-user]}},
  {name: asked-in-vain, envoyExtAuthzHttp: {service: demo/gone, port: 80}},
  {name: asked-grpc, envoyExtAuthzGrpc: {service: demo/asked-grpc, port: 80, timeout: 5s}},
  {name: gone-grpc, envoyExtAuthzGrpc: {service: demo/gone, port: 80, timeout: 5s}},
  {name: gone-open, envoyExtAuthzGrpc: {service: demo/gone, port: 80, timeout: 5s, failOpen: true}}]}"""
NETWORK, SECURITY = "networking.istio.io/v1", "security.istio.io/v1"


def service(name, backends):
    """A service of these backends; each is its own version."""
    endpoints = ", ".join(f"{{address: 127.0.0.1, ports: {{http: {b.port}}}, labels: {{version: {b.name.split('-')[-1]}}}}}"
                          for b in backends)
    return documents("ServiceEntry", NETWORK, name,
                     f"{{hosts: [{name}], location: MESH_EXTERNAL, resolution: STATIC, "
                     f"ports: [{{number: 80, name: http, protocol: HTTP}}], endpoints: [{endpoints}]}}")


class Mesh:
    def __init__(self, build, directory):
        self.build, self.dir = os.path.abspath(build), os.path.abspath(directory)
        self.children = []
        for name in ("config", "forwarders", "envoys"):
            os.mkdir(f"{self.dir}/{name}")
        self.out = {"forwarder": unused_port(), "envoy": unused_port()}
        self.into = {"forwarder": unused_port(), "envoy": unused_port()}
        self.gate = {"forwarder": unused_port(), "envoy": unused_port()}
        self.caller = unused_port()
        self.backends = {}
        self.tokens = {}
        self.edges = Edges(self, documents, NETWORK, SECURITY)

    def write(self, name, text):
        with open(f"{self.dir}/{name}", "w") as file:
            file.write(text)

    def mesh(self, *arguments):
        return subprocess.run([f"{self.build}/mesh", *arguments, "--run-dir", f"{self.dir}/run"],
                              check=True, capture_output=True, text=True).stdout

    def start(self, log, *command):
        with open(f"{self.dir}/{log}", "ab") as file:
            self.children.append(subprocess.Popen(command, stdout=file, stderr=file,
                                                  stdin=subprocess.DEVNULL))

    def configure(self):
        text = service("other", [self.backend("other")])
        text += documents("ServiceEntry", NETWORK, "gone",
                          "{hosts: [gone], location: MESH_EXTERNAL, resolution: STATIC, ports: "
                          "[{number: 80, name: http, protocol: HTTP}], endpoints: "
                          f"[{{address: 127.0.0.1, ports: {{http: {unused_port()}}}}}]}}")
        for name in ("v1", "v2"):
            self.backend(name)
        for name, row in ROUTING.items():
            text += service(name, [self.backends[b] for b in row.get("backends", ("v1", "v2"))])
            subsets = ", ".join(f"{{name: {v}, labels: {{version: {v}}}}}" for v in ("v1", "v2", "none"))
            policy = f"trafficPolicy: {{{row['policy']}}}, " if "policy" in row else ""
            text += documents("DestinationRule", NETWORK, name,
                              f"{{host: {name}, {policy}subsets: [{subsets}]}}")
            if "http" in row:
                text += documents("VirtualService", NETWORK, name,
                                  f"{{hosts: [{name}], http: {row['http'].replace('HOST', name)}}}")
        application = self.backend("application")
        for which, port in self.into.items():
            text += documents("ServiceEntry", NETWORK, f"access-{which}",
                              f"{{hosts: [access-{which}], location: MESH_INTERNAL, resolution: STATIC, ports: "
                              "[{number: 80, name: http, protocol: HTTP}], "
                              f"workloadSelector: {{labels: {{which: {which}}}}}}}")
            text += documents("WorkloadEntry", NETWORK, f"access-{which}",
                              f"{{address: 127.0.0.1, ports: {{http: {port}}}, "
                              f"labels: {{app: access, which: {which}}}, serviceAccount: access}}")
            text += documents("Sidecar", NETWORK, f"access-{which}",
                              f"{{workloadSelector: {{labels: {{which: {which}}}}}, ingress: "
                              f"[{{port: {{number: {port}, protocol: HTTP, name: http}}, "
                              f"defaultEndpoint: '127.0.0.1:{application.port}'}}]}}")
            text += documents("VirtualService", NETWORK, f"access-{which}",
                              f"{{hosts: [access-{which}], http: [{{rewrite: {{authority: access}}, "
                              f"retries: {{attempts: 0}}, route: [{{destination: {{host: access-{which}}}}}]}}]}}")
        for name, (action, rules, _) in ACCESS.items():
            text += documents("AuthorizationPolicy", SECURITY, name,
                              f"{{selector: {{matchLabels: {{app: access}}}}, action: {action}, "
                              f"rules: {self.placed(rules, name)}}}")
        text += service("asked", [self.backend("asked")])
        text += documents("MeshConfig", "mesh/v1", "mesh", PROVIDERS).replace("namespace: demo", "namespace: istio-system")
        keys, self.tokens = make_tokens(self.dir)
        text += documents("RequestAuthentication", SECURITY, "tests",
                          "{selector: {matchLabels: {app: access}}, jwtRules: "
                          f"[{{issuer: tests, jwks: '{keys}', forwardOriginalToken: true}}]}}")
        text += self.edges.configure(service)
        text += documents("RequestAuthentication", SECURITY, "gate",
                          "{selector: {matchLabels: {app: client}}, jwtRules: "
                          f"[{{issuer: tests, jwks: '{keys}', forwardOriginalToken: true, "
                          "outputClaimToHeaders: [{header: x-sub, claim: sub}]}]}")
        text += documents("AuthorizationPolicy", SECURITY, "asked-anew",
                          "{selector: {matchLabels: {app: client}}, action: CUSTOM, provider: {name: asked-anew}, "
                          "rules: [{to: [{operation: {hosts: [asked-anew.example]}}]}]}")
        for which, port in self.gate.items():
            text += documents("Gateway", NETWORK, f"gate-{which}",
                              f"{{selector: {{gate: {which}}}, servers: [{{port: {{number: {port}, name: http, "
                              "protocol: HTTP}, hosts: ['*'], bind: 127.0.0.1}]}")
        for name, (rules, _) in CLAIMS.items():
            text += documents("VirtualService", NETWORK, name,
                              f"{{hosts: [{name}.example], gateways: [gate-forwarder, gate-envoy], http: [{rules}, "
                              "{route: [{destination: {host: exact, subset: v2}}]}]}")
        self.write("config/all.yaml", text)
        self.write("discoveryd.yaml", "xds: {}\n")
        common = "namespace: demo, service_account: client"
        for which, folder in (("forwarder", "forwarders"), ("envoy", "envoys")):
            self.write(f"{folder}/client-{which}.yaml",
                       f"{{name: client-{which}, {common}, labels: {{app: client, gate: {which}}}, "
                       f"outbound: '127.0.0.1:{self.out[which]}'}}\n")
            self.write(f"{folder}/access-{which}.yaml",
                       f"{{workload: access-{which}, namespace: demo, service_account: access, "
                       f"labels: {{app: access, which: {which}}}}}\n")
        self.write("forwarders/caller.yaml",
                   f"{{name: caller, {common}, labels: {{app: client}}, "
                   f"outbound: '127.0.0.1:{self.caller}', outbound_tcp: {CALLER}}}\n")

    @staticmethod
    def placed(text, name):
        return text.replace("PATH", f"/{name}").replace("SLUG", name)

    def tokened(self, text):
        return re.sub(r"TOKEN\((\w+)\)", lambda m: self.tokens[m[1]], text)

    def backend(self, name):
        self.backends[name] = Backend(name)
        return self.backends[name]

    def up(self):
        self.start("up.log", f"{self.build}/mesh", "up", self.dir)
        wait_for(lambda: "\nready\n" in "\n" + open(f"{self.dir}/up.log").read(), "the mesh is up")
        for name, account in (("client-envoy", "client"), ("access-envoy", "access"), ("edge-envoy", "edge")):
            token = self.mesh_token(account)
            self.mesh("cert", "request", f"{self.dir}/{name}", "--token-file", token)
            self.write(f"{name}.json", self.mesh("envoy-bootstrap", f"{self.dir}/envoys/{name}.yaml",
                                                 "--certificates", f"{self.dir}/{name}"))
            self.start(f"{name}.log", "envoy", "-c", f"{self.dir}/{name}.json", "--use-dynamic-base-id",
                       "--concurrency", "1", "--log-level", "warning")
        for which in self.out:
            wait_for(lambda: self.ask(self.out[which], "plain", {"path": "/up"})[0] == 200, f"{which} routes")
            wait_for(lambda: self.ask(self.gate[which], next(iter(CLAIMS)) + ".example", {"path": "/up"})[0] == 200,
                     f"{which} is a gateway")
            wait_for(lambda: self.ask(self.caller, f"access-{which}", {"path": "/free/up"})[0] in (200, 403),
                     f"{which} is reached under mutual TLS")
            wait_for(lambda: self.ask(self.edges.servers[which]["http"], "edge-plain.example", {"path": "/up"})[0] == 200,
                     f"{which} is a gateway")
        for name, what, places, data in self.edges.connections():
            if name in ("tcp-plain", "relay-namespace") and what in ("0", "tls"):
                wait_for(lambda: all(exchange(*place, data) for place in places.values()), f"{name} is reached")

    def mesh_token(self, account):
        path = f"{self.dir}/{account}.token"
        secret = subprocess.run([f"{self.build}/mesh", "cert", "token", f"demo/{account}", "--state-dir",
                                 f"{self.dir}/state"], check=True, capture_output=True, text=True).stdout
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secret)
        return path

    def ask(self, port, host, request, case=None):
        """(status, headers, body) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            shown = []  # by which certificate the server was known
            if "tls" in request:
                connection.sock = self.secured(port, **request["tls"])
                shown = [("(certificate)", str(connection.sock.getpeercert()["subject"]))]
            connection.putrequest(request.get("method", "GET"), request["path"], skip_host=True,
                                  skip_accept_encoding=True)
            connection.putheader("Host", host)
            headers = dict(request.get("headers", {}))
            if case:
                headers["x-case"] = case
            if request.get("body") is not None:
                headers["content-length"] = str(len(request["body"]))
            for name, value in headers.items():
                connection.putheader(name, value.encode("latin-1"))
            connection.endheaders((request.get("body") or "").encode())
            reply = connection.getresponse()
            return reply.status, [(k.lower(), v) for k, v in reply.getheaders()] + shown, reply.read()
        except (OSError, http.client.HTTPException) as error:
            # How a handshake is refused is told by an alert or by none.
            return 0, [], b"refused" if isinstance(error, ssl.SSLError) else type(error).__name__.encode()
        finally:
            connection.close()

    def secured(self, port, sni=None, client=None, version=None, ciphers=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(f"{self.dir}/ca.pem")
        if version == "1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if ciphers:
            context.set_ciphers(ciphers)
        if client:
            context.load_cert_chain(f"{self.dir}/{client}.pem", f"{self.dir}/{client}.key")
        return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10), server_hostname=sni)

    def stop(self):
        for child in reversed(self.children):
            child.terminate()
        for child in self.children:
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()


def plain(headers):
    """Headers as they are compared: sorted by name, in order of their values."""
    out = []
    for name, value in headers:
        if name in TIMES:
            value = "(a time)"
        if name == "x-request-id" and value != "mine":
            value = "(chosen)" if re.fullmatch(r"[0-9a-f-]{36}", value) else value
        if name != "content-length":  # of JSON that holds the above
            out.append((name, value))
    return sorted(out, key=lambda h: h[0])


def result(answer, mesh, case):
    status, headers, body = answer
    out = {"status": status, "headers": plain(headers)}
    try:
        seen = json.loads(body)
        seen["headers"] = plain([h for h in seen["headers"] if h[0] != "x-case"])
        out["backend"] = seen
    except (ValueError, KeyError, TypeError):
        out["body"] = body.decode("latin-1")
    tries = [s for b in mesh.backends.values() for s in list(b.seen) if s[0] == case]
    out["tries"] = sorted((s[1], s[2]) for s in tries)
    return out


def differences(a, b, path=""):
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            yield from differences(a.get(key), b.get(key), f"{path}.{key}" if path else key)
    elif path.endswith("headers") and a is not None and b is not None:
        for name in sorted({h[0] for h in a} | {h[0] for h in b}):
            one, two = ([h[1] for h in side if h[0] == name] for side in (a, b))
            if one != two:
                yield f"{path}[{name}]: forwarder {one}, Envoy {two}"
    elif a != b:
        yield f"{path}: forwarder {a!r}, Envoy {b!r}"


def known(name, line):
    """Which of KNOWN a difference is; None: it is none of them."""
    return next((i for i, (rows, pattern) in enumerate(KNOWN)
                 if (rows is None or name in rows) and re.search(pattern, line)), None)


def compare(mesh, name, what, ports, hosts, request):
    """(which of KNOWN, line) of each difference of one request through both."""
    results = {}
    for which in ("forwarder", "envoy"):
        case = f"{name}.{what}.{which}"
        answer = mesh.ask(ports[which], hosts[which], request, case)
        for copy in ROUTING.get(name, {}).get("mirrored", ()):  # comes when it comes
            wait_for(lambda: any(s[0] == case for s in list(mesh.backends[copy].seen)),
                     f"{case} is mirrored", 5)
        results[which] = result(answer, mesh, case)
    shown = f"{name} [{what}] {request['method']} {request['path']} {request['headers'] or ''}"[:200]
    return [(known(name, line), f"{shown}: {line}")
            for line in differences(results["forwarder"], results["envoy"])]


def tokened(mesh, request):
    return dict(request, path=mesh.tokened(request["path"]),
                headers={k: mesh.tokened(v) for k, v in request["headers"].items()})


def jobs_of(mesh):
    for name, (_, requests) in CLAIMS.items():
        for i, request in enumerate(requests):
            yield name, str(i), mesh.gate, dict.fromkeys(mesh.gate, f"{name}.example"), tokened(mesh, request)
    for name, row in ROUTING.items():
        for i, request in enumerate(row["requests"]):
            for n in range(request["n"]):
                yield name, f"{i}.{n}", mesh.out, dict.fromkeys(mesh.out, name), request
    for name, (_, _, requests) in ACCESS.items():
        for i, request in enumerate(requests):
            placed = tokened(mesh, dict(request, path=mesh.placed(request["path"], name)))
            yield name, f"{i}.clear", mesh.into, dict.fromkeys(mesh.into, "access"), placed
            yield (name, f"{i}.tls", dict.fromkeys(mesh.into, mesh.caller),
                   {which: f"access-{which}" for which in mesh.into}, placed)
    yield from mesh.edges.requests()


def main():
    mesh = Mesh(*sys.argv[1:3])
    found = []
    try:
        mesh.configure()
        mesh.up()
        jobs = list(jobs_of(mesh))
        with futures.ThreadPoolExecutor(8) as pool:
            for lines in pool.map(lambda job: compare(mesh, *job), jobs):
                found += lines
            connections = list(mesh.edges.connections())
            for (name, what, _, data), line in zip(connections, pool.map(lambda job: difference(*job[2:]), connections)):
                if line:
                    found.append((known(name, line), f"{name} [{what}] {data!r}: {line}"))
    finally:
        mesh.stop()
    bad = [line for which, line in found if which is None]
    met = {which for which, _ in found}
    bad += [f"listed, and not there any more: {KNOWN[i][1]} of {KNOWN[i][0] or 'all'}"
            for i in range(len(KNOWN)) if i not in met]
    print("\n".join(bad))
    print(f"{len(jobs) + len(connections)} cases, {len(found)} differences, {len(bad)} of them not known")
    sys.stdout.flush()
    os._exit(1 if bad else 0)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()

"""The proxies of the bench: how each is configured and started for a case.

All have one worker (but in `scale`), keep-alive on both sides and no access log
(but in `full`), and check both certificates. Cases:

  plain    client -> proxy -> origin in HTTP/1.1
  close    the same, a new client connection for each request
  h2-in    HTTP/2 in clear text from the client, HTTP/1.1 to the origin
  tcp      bytes only
  full     plain with an access log to a file, request ids, 1000 routes, a rate limit
  pair-h1  client -> proxy A -> mutual TLS 1.3 -> proxy B -> origin; HTTP/1.1 between
  pair-h2  the same with HTTP/2 between
  large    pair-h2 beside slow readers of large answers
"""

import shutil
import subprocess

import bootstrap

PAIRS = ("pair-h1", "pair-h2", "large")
SBIN = "/usr/sbin:/usr/bin"


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


class Proxy:
    """One program. A Ports says where: front, back (the pair's second), origin."""

    name = ""
    cases = ()
    program = None

    def can(self, case):
        return self.program is not None and case in self.cases

    def commands(self, case, folder, ports, workers=1):
        """What to start, the far one first: [(command, port it listens on)]."""
        raise NotImplementedError


class Bootstrapped(Proxy):
    """The forwarder and Envoy read the same file."""

    cases = ("plain", "close", "h2-in", "tcp", "full", "idle-tls") + PAIRS

    def __init__(self, name, program, options):
        self.name = name
        self.program = program
        self.options = options

    def commands(self, case, folder, ports, workers=1):
        def one(name, order, port, listener, cluster):
            path = folder / f"{name}.yaml"
            path.write_text(bootstrap.document(listener, cluster))
            command = [self.program, "-c", path, "--concurrency", str(workers),
                       *self.options(order)]
            return (command, port)

        if case in PAIRS:
            h2 = case != "pair-h1"
            return [
                one("far", 1, ports.back,
                    bootstrap.listener("back", ports.back, "origin", tls=folder),
                    bootstrap.cluster("origin", ports.origin)),
                one("near", 0, ports.front, bootstrap.listener("front", ports.front, "peer"),
                    bootstrap.cluster("peer", ports.back, tls=folder, h2=h2)),
            ]
        tls = folder if case == "idle-tls" else None
        return [one(case, 0, ports.front,
                    bootstrap.listener("front", ports.front, "origin", tls=tls, tcp=case == "tcp",
                                       full=case == "full", folder=folder),
                    bootstrap.cluster("origin", ports.origin))]


HAPROXY = """
global
    nbthread {workers}
    maxconn 9000
defaults
    mode {mode}
    timeout client 60s
    timeout server 60s
    timeout connect 5s
    {defaults}
frontend front
    bind 127.0.0.1:{port} {bind}
    {frontend}
    default_backend back
backend back
    server one 127.0.0.1:{to} {server}
"""


class HAProxy(Proxy):
    name = "haproxy"
    cases = ("plain", "close", "h2-in", "tcp", "full", "idle-tls") + PAIRS
    program = shutil.which("haproxy", path=SBIN)

    def commands(self, case, folder, ports, workers=1):
        def one(name, port, to, bind="", server="", frontend="", mode="http"):
            path = folder / f"haproxy-{name}.cfg"
            defaults = "option http-keep-alive\n    http-reuse always" if mode == "http" else ""
            if case == "full":
                defaults += "\n    log stdout format raw local0\n    option httplog"
            path.write_text(HAPROXY.format(port=port, to=to, bind=bind, server=server,
                                           frontend=frontend, mode=mode, workers=workers,
                                           defaults=defaults))
            return ([self.program, "-db", "-f", path], port)

        tls = f"crt {folder}/both.pem ca-file {folder}/ca.pem"
        tls_in = f"ssl {tls} verify required alpn h2,http/1.1 ssl-min-ver TLSv1.3"
        if case in PAIRS:
            alpn = "http/1.1" if case == "pair-h1" else "h2"
            return [
                one("far", ports.back, ports.origin, bind=tls_in),
                one("near", ports.front, ports.back,
                    server=f"ssl {tls} verify required alpn {alpn} sni str(bench) "
                           "ssl-min-ver TLSv1.3"),
            ]
        if case == "full":
            routes = folder / "routes.map"
            routes.write_text("".join(f"/service/{i:04}/ back\n" for i in range(bootstrap.ROUTES)))
            return [one(case, ports.front, ports.origin, frontend=f"""
    unique-id-format %{{+X}}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid
    unique-id-header x-request-id
    stick-table type integer size 16 expire 10s store http_req_rate(1s)
    http-request track-sc0 int(1)
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 100000000 }}
    use_backend %[path,map_beg({routes},back)]""")]
        bind = {"h2-in": "proto h2", "idle-tls": tls_in}.get(case, "")
        return [one(case, ports.front, ports.origin, bind=bind,
                    mode="tcp" if case == "tcp" else "http")]


NGINX = """
daemon off;
worker_processes {workers};
pid {folder}/nginx-{name}.pid;
error_log {folder}/nginx-{name}.log;
events {{ worker_connections 19000; }}
{body}
"""

NGINX_HTTP = """
http {{
    {http}
    keepalive_requests 100000000;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    upstream back {{ server 127.0.0.1:{to}; keepalive 256; keepalive_requests 100000000; }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {{
        listen 127.0.0.1:{port} {bind};
        {server}
        location / {{ proxy_pass {scheme}://back; }}
    }}
}}
"""



class Nginx(Proxy):
    name = "nginx"
    cases = ("plain", "close", "h2-in", "full", "idle-tls", "pair-h1")
    program = shutil.which("nginx", path=SBIN)

    def commands(self, case, folder, ports, workers=1):
        def one(name, port, to, bind="", server="", scheme="http", http="access_log off;"):
            path = folder / f"nginx-{name}.conf"
            body = NGINX_HTTP.format(folder=folder, to=to, port=port, bind=bind, server=server,
                                     scheme=scheme, http=http)
            path.write_text(NGINX.format(folder=folder, name=name, workers=workers, body=body))
            return ([self.program, "-c", path, "-p", folder], port)

        tls_in = (f"ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; "
                  f"ssl_client_certificate {folder}/ca.pem; ssl_verify_client on; "
                  "ssl_protocols TLSv1.3;")
        if case == "pair-h1":
            return [
                one("far", ports.back, ports.origin, bind="ssl", server=tls_in),
                one("near", ports.front, ports.back, scheme="https",
                    server=f"proxy_ssl_certificate {folder}/cert.pem; "
                           f"proxy_ssl_certificate_key {folder}/key.pem; "
                           f"proxy_ssl_trusted_certificate {folder}/ca.pem; proxy_ssl_verify on; "
                           "proxy_ssl_name bench; proxy_ssl_server_name on; "
                           "proxy_ssl_protocols TLSv1.3;"),
            ]
        if case == "idle-tls":
            return [one(case, ports.front, ports.origin, bind="ssl", server=tls_in)]
        if case == "full":
            routes = "\n".join(f"location /service/{i:04}/ {{ proxy_pass http://back; }}"
                               for i in range(bootstrap.ROUTES - 1))
            return [one(case, ports.front, ports.origin,
                        http=f"access_log {folder}/nginx-access.log;\n"
                             "limit_req_zone $server_name zone=all:1m rate=1000000r/s;",
                        server="limit_req zone=all burst=1000000 nodelay; "
                               "proxy_set_header X-Request-Id $request_id;\n" + routes)]
        return [one(case, ports.front, ports.origin, bind="http2" if case == "h2-in" else "")]


class Nghttpx(Proxy):
    name = "nghttpx"
    cases = ("plain", "close", "h2-in")
    program = shutil.which("nghttpx", path=SBIN)

    def commands(self, case, folder, ports, workers=1):
        return [([self.program, f"-f127.0.0.1,{ports.front};no-tls",
                  f"-b127.0.0.1,{ports.origin}", f"-n{workers}", "-LERROR", "--accesslog-file=",
                  "--conf=/dev/null", "--backend-keep-alive-timeout=60"], ports.front)]


class Relay(Proxy):
    """Passes bytes and parses nothing: the floor."""

    name = "relay"
    cases = ("plain", "tcp")

    def __init__(self, build):
        self.program = build / "test/bench-relay"

    def commands(self, case, folder, ports, workers=1):
        return [([self.program, ports.front, ports.origin], ports.front)]


def all_proxies(build):
    return [
        Relay(build),
        Bootstrapped("forwarder", build / "forwarder", lambda order: []),
        HAProxy(),
        Nginx(),
        Nghttpx(),
        Bootstrapped("envoy", shutil.which("envoy"),
                     lambda order: ["--base-id", str(1000 + order), "-l", "error"]),
    ]

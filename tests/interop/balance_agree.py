#!/usr/bin/env python3
"""Asks a stock Envoy and our forwarder where keys belong, and compares.

balance_agree.py FORWARDER ENVOY: both run the same bootstrap with the same five
origins, for ring hash and Maglev, with and without weights; each of 200 users has
to meet the same origin through both. Then each takes the cookie of a sticky
session that the other has made. Prints what was compared; exit status 1 where
they differ.
"""
import http.client
import http.server
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

USERS = 200
TIMEOUT_S = 20


class Origin:
    def __init__(self, name):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response(200)
                self.send_header("content-length", str(len(name)))
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bootstrap(port, origins, policy, weights, sessions):
    endpoints = "".join(
        f"""
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {o.port} }} }} }}
          load_balancing_weight: {w}""" for o, w in zip(origins, weights))
    session = """
          - name: envoy.filters.http.stateful_session
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession
              session_state:
                name: envoy.http.stateful_session.cookie
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState
                  cookie: { name: sid, path: /, ttl: 120s }""" if sessions else ""
    return f"""
static_resources:
  listeners:
  - name: front
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            name: local
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{ prefix: "/" }}
                route:
                  cluster: svc
                  hash_policy:
                  - header: {{ header_name: x-user }}
                  - query_parameter: {{ name: id }}
          http_filters:{session}
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: svc
    type: STATIC
    connect_timeout: 2s
    {policy}
    load_assignment:
      cluster_name: svc
      endpoints:
      - lb_endpoints:{endpoints}
"""


class Proxy:
    def __init__(self, command, folder, text, port):
        path = os.path.join(folder, f"{port}.yaml")
        with open(path, "w") as out:
            out.write(text)
        self.port = port
        self.log = open(path + ".log", "w")
        self.process = subprocess.Popen(command + ["-c", path], stdout=self.log,
                                        stderr=subprocess.STDOUT)
        end = time.monotonic() + TIMEOUT_S
        while True:
            try:
                self.ask({})
                return
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"{command[0]} does not serve: {error}\n"
                                     + open(path + ".log").read()) from error
                time.sleep(0.05)

    def ask(self, fields, path="/"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        connection.request("GET", path, headers=fields)
        answer = connection.getresponse()
        body = answer.read().decode()
        cookie = answer.getheader("set-cookie")
        connection.close()
        return body, cookie

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()


def pair(envoy, forwarder, folder, origins, policy, weights, sessions=False):
    for command in (envoy, forwarder):
        port = free_port()
        yield Proxy(command, folder, bootstrap(port, origins, policy, weights, sessions), port)


def main():
    forwarder = [sys.argv[1]]
    envoy = [sys.argv[2], "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error"]
    origins = [Origin(name) for name in "abcde"]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for policy in ("lb_policy: RING_HASH", "lb_policy: MAGLEV"):
            for weights in ((1, 1, 1, 1, 1), (1, 2, 3, 4, 5)):
                both = list(pair(envoy, forwarder, folder, origins, policy, weights))
                same = 0
                for user in range(USERS):
                    fields = {"x-user": f"user-{user}"}
                    path = f"/?id={user}" if user % 2 else "/"
                    same += both[0].ask(fields, path)[0] == both[1].ask(fields, path)[0]
                for proxy in both:
                    proxy.stop()
                print(f"{policy}, weights {weights}: {same} of {USERS} keys agree")
                bad += same != USERS
        both = list(pair(envoy, forwarder, folder, origins, "lb_policy: RANDOM", (1,) * 5, True))
        for maker, taker in (both, both[::-1]):
            body, made = maker.ask({})
            again = {taker.ask({"cookie": made.split(";")[0]})[0] for _ in range(10)}
            print(f"session {made!r} of {body}: then {sorted(again)}")
            bad += again != {body}
        for proxy in both:
            proxy.stop()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

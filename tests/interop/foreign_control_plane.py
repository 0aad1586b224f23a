#!/usr/bin/env python3
"""A forwarder, or a stock Envoy, whose resources come from a server that is not ours.

foreign_control_plane.py PROXY VARIANT CHECK...: PROXY is the program, VARIANT "whole" or
"incremental". Prints a line a check; exit status 0 all held, 1 some did not, 77 no grpcio or
xds-protos.
"""
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import grpc
    from ads_server import AdsServer, CDS, EDS, LDS, RDS
except ImportError as error:
    print(f"no gRPC or no official descriptors: {error}")
    sys.exit(77)
import echo_server

WAIT = 20
ADS = {"ads": {}, "resource_api_version": "V3"}
E = "type.googleapis.com/envoy.extensions."


def address(where):
    if isinstance(where, str):
        return {"pipe": {"path": where}}
    return {"socket_address": {"address": "127.0.0.1", "port_value": where}}


def assignment(name, *ports):
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [
        {"endpoint": {"address": address(port)}} for port in ports]}]}


def cluster(name="app", **more):
    return {"name": name, "type": "EDS", "connect_timeout": "1s",
            "eds_cluster_config": {"eds_config": ADS}, **more}


def fixed_cluster(name, where, http2=False, **more):
    fields = {"name": name, "type": "STATIC", "connect_timeout": "1s",
              "load_assignment": assignment(name, where), **more}
    if http2:
        fields["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": E + "upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}}}}
    return fields


def routes(name="routes", to="app", **more):
    return {"name": name, "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
        {"match": {"prefix": "/"}, "route": {"cluster": to, **more}}]}]}


def listener(name, port, by=None, inline=None, **more):
    manager = {"@type": E + "filters.network.http_connection_manager.v3.HttpConnectionManager",
               "stat_prefix": name, "http_filters": [
                   {"name": "router", "typed_config": {
                       "@type": E + "filters.http.router.v3.Router"}}]}
    if by:
        manager["rds"] = {"route_config_name": by, "config_source": ADS}
    else:
        manager["route_config"] = inline
    return {"name": name, "address": address(port), "filter_chains": [
        {"filters": [{"name": "http", "typed_config": manager}]}], **more}


class Bed:
    """A server, a proxy that is told to ask it, and two backends."""

    def __init__(self, program, variant):
        self.program, self.delta = program, variant == "incremental"
        self.is_envoy = "envoy" in os.path.basename(program)
        self.dir = tempfile.mkdtemp(prefix="foreign-")
        self.backends = [echo_server.Backend(name).port for name in ("one", "two")]
        self.port, self.fixed = echo_server.unused_port(), echo_server.unused_port()
        self.admin = os.path.join(self.dir, "admin.sock")
        self.proxy, self.server = None, None

    def serve(self, where="127.0.0.1:0", credentials=None):
        self.server = AdsServer(where, credentials)
        self.server.put(CDS, cluster())
        self.server.put(EDS, assignment("app", self.backends[0]))
        self.server.put(LDS, listener("dynamic", self.port, by="routes"))
        self.server.put(RDS, routes())
        return self.server.start()

    def bootstrap(self, where, listeners=(), clusters=(), timeout="5s", **transport):
        source = {**ADS, "initial_fetch_timeout": timeout}
        return {
            "node": {"id": "edge-1", "cluster": "edge", "metadata": {"team": "red"},
                     "locality": {"region": "r", "zone": "z"}},
            "admin": {"address": address(self.admin)},
            "dynamic_resources": {
                "ads_config": {
                    "api_type": "DELTA_GRPC" if self.delta else "GRPC",
                    "transport_api_version": "V3",
                    "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}, "initial_metadata": [
                        {"key": "x-token", "value": "secret"}]}]},
                "cds_config": source, "lds_config": source},
            "static_resources": {
                "listeners": list(listeners),
                "clusters": [fixed_cluster("xds", where, http2=True, **transport), *clusters]}}

    def write(self, bootstrap):
        path = os.path.join(self.dir, "bootstrap.json")
        with open(path + ".new", "w") as file:
            json.dump(bootstrap, file)
        os.replace(path + ".new", path)
        return path

    def start(self, bootstrap):
        command = [self.program, "-c", self.write(bootstrap), "--concurrency", "2"]
        if self.is_envoy:
            command += ["--use-dynamic-base-id", "--log-level", "warning"]
        else:
            command += ["--user", "root"] if os.geteuid() == 0 else []
        self.log = os.path.join(self.dir, "proxy.log")
        with open(self.log, "a") as log:
            self.proxy = subprocess.Popen(command, stdout=log, stderr=log)

    def begin(self, **more):
        if not self.server:
            self.serve()
        self.start(self.bootstrap(int(self.server.address.rsplit(":", 1)[1]), **more))
        self.until(lambda: self.says() == "one", "the first answer")

    def end(self):
        if self.proxy:
            self.proxy.send_signal(signal.SIGKILL)
            self.proxy.wait()
        if self.server and self.server.server:
            self.server.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def certify(self, *names, ca="ca"):
        """NAME.pem and NAME.key for the DNS name NAME.test, by an authority that is made once."""
        def make(*words):
            subprocess.run(["openssl", *words], check=True, cwd=self.dir,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        if not os.path.exists(os.path.join(self.dir, ca + ".pem")):
            make("req", "-x509", *key, "-days", "1", "-subj", f"/CN={ca}", "-keyout", f"{ca}.key",
                 "-out", f"{ca}.pem")
        for name in names:
            with open(os.path.join(self.dir, name + ".ext"), "w") as file:
                file.write(f"subjectAltName=DNS:{name}.test\n")
            make("req", *key, "-subj", f"/CN={name}", "-keyout", name + ".key", "-out",
                 name + ".csr")
            make("x509", "-req", "-in", name + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key",
                 "-CAcreateserial", "-days", "1", "-extfile", name + ".ext", "-out", name + ".pem")

    # ---- What is seen

    def says(self, port=None):
        """The backend that answers, the status of an error, or None."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}/", timeout=5) as r:
                return json.load(r)["backend"]
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def page(self, path):
        with contextlib.closing(http.client.HTTPConnection("localhost", timeout=10)) as admin:
            admin.sock = socket.socket(socket.AF_UNIX)
            admin.sock.connect(self.admin)
            admin.request("GET", path)
            return admin.getresponse().read().decode()

    def stat(self, name):
        for stat in json.loads(self.page("/stats?format=json"))["stats"]:
            if stat.get("name") == name:
                return stat["value"]
        return None

    def until(self, fact, what, wait=WAIT):
        end = time.monotonic() + wait
        while time.monotonic() < end:
            if self.proxy.poll() is not None:
                raise AssertionError(f"the proxy ended: {self.proxy.returncode}")
            try:
                if fact():
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"still not so: {what}")

    def steady(self, want, seconds):
        """Every request of that time, and of the first few, is answered by `want`."""
        end, count = time.monotonic() + seconds, 0
        while time.monotonic() < end or count < 4:
            assert (said := self.says()) == want, said
            count += 1

    # ---- Checks

    def check_serves(self):
        self.begin()
        asked = self.server.asked()
        assert asked == [CDS, EDS, LDS, RDS], asked
        stream = self.server.streams[0]
        assert stream.node.id == "edge-1" and stream.node.cluster == "edge", stream.node
        assert stream.node.metadata["team"] == "red" and stream.node.locality.zone == "z"
        assert stream.metadata["x-token"] == "secret", stream.metadata
        for url in (CDS, EDS, LDS, RDS):
            self.server.wait(lambda: self.server.accepted(url), url)
        assert not self.server.refused, self.server.refused
        self.until(lambda: self.stat("control_plane.connected_state") == 1, "connected_state")
        for name in ("cluster_manager.cds.update_success", "listener_manager.lds.update_success"):
            assert self.stat(name) == 1, name
        assert self.stat("cluster_manager.cds.update_attempt") == 2
        assert self.stat("cluster_manager.cds.update_rejected") == 0
        assert self.stat("cluster_manager.cluster_added") == 2
        assert self.stat("listener_manager.listener_added") == 1
        assert self.stat("control_plane.identifier") == "witness"
        prometheus = self.page("/stats?format=prometheus")
        assert "envoy_control_plane_connected_state{} 1" in prometheus or \
            "envoy_control_plane_connected_state 1" in prometheus
        dump = json.loads(self.page("/config_dump?include_eds"))
        text = json.dumps(dump)
        for field in ("dynamic_active_clusters", "dynamic_listeners", "dynamic_route_configs",
                      "dynamic_endpoint_configs", "static_clusters"):
            assert field in text, field

    def check_changes(self):
        self.begin()
        self.server.put(EDS, assignment("app", self.backends[1]))
        self.until(lambda: self.says() == "two", "the endpoint's change")
        # A second cluster and a route to it; then both go again.
        self.server.put(CDS, cluster("other"), push=False)
        self.server.put(EDS, assignment("other", self.backends[0]))
        with self.server.lock:
            self.server.push(CDS)
        self.server.wait(lambda: self.server.accepted(EDS), "the other's endpoints")
        self.server.put(RDS, routes(to="other"))
        self.until(lambda: self.says() == "one", "the route's change")
        self.server.put(RDS, routes())
        self.until(lambda: self.says() == "two", "the route back")
        self.server.drop(CDS, "other")
        self.until(lambda: '"other"' not in self.page("/clusters?format=json"), "a removal")
        self.server.drop(LDS, "dynamic")
        self.until(lambda: self.says() is None, "the listener's removal")
        assert self.stat("cluster_manager.cluster_removed") == 1
        assert self.stat("listener_manager.listener_removed") == 1

    def check_refused(self):
        self.begin()
        self.server.put(CDS, cluster(lrs_server={"self": {}}))
        self.server.wait(lambda: self.server.refused, "a refusal")
        url, reason = self.server.refused[0]
        assert url == CDS and "app: lrs_server: is not supported" in reason, reason
        self.steady("one", 0.3)
        # What is good beside it is taken, and refusing one type stops no other.
        self.server.put(EDS, assignment("app", self.backends[1]))
        self.until(lambda: self.says() == "two", "an endpoint after the refusal")
        self.server.put(LDS, listener("dynamic", self.port, by="routes", stat_prefix="x"),
                        listener("second", self.fixed, inline=routes("inline")))
        self.server.wait(lambda: len(self.server.refused) == 2, "the listener's refusal")
        url, reason = self.server.refused[1]
        assert url == LDS and "dynamic: stat_prefix: is not supported" in reason, reason
        assert "second" not in reason, reason
        self.until(lambda: self.says(self.fixed) == "two", "the listener beside it")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.server.put(LDS, listener("taken", taken.getsockname()[1], inline=routes("inline")))
            self.server.wait(lambda: any("taken: " in r and "in use" in r
                                         for _, r in self.server.refused), "a taken address")
        assert self.says() == "two"
        assert self.stat("cluster_manager.cds.update_rejected") == 1
        assert self.stat("listener_manager.lds.update_rejected") >= 2
        # Mended, all is taken.
        self.server.drop(LDS, "taken")
        self.server.put(LDS, listener("dynamic", self.port, by="routes"))
        self.server.put(CDS, cluster())
        self.server.wait(lambda: self.server.accepted(CDS) and self.server.accepted(LDS), "mended")
        self.steady("two", 0.2)

    def check_warming(self):
        self.begin()
        # New versions that name what has not come: the ones before serve.
        self.server.put(LDS, listener("dynamic", self.port, by="later"))
        self.server.put(CDS, cluster(eds_cluster_config={"eds_config": ADS, "service_name": "s2"}))
        self.until(lambda: self.stat("listener_manager.total_listeners_warming") == 1 and
                   self.stat("cluster_manager.warming_clusters") == 1, "warming")
        self.steady("one", 0.5)
        self.server.put(EDS, assignment("s2", self.backends[1]))
        self.until(lambda: self.says() == "two", "the warm cluster")
        self.server.put(RDS, routes("later", prefix_rewrite="/x"))
        self.until(lambda: self.stat("listener_manager.total_listeners_warming") == 0, "warm")
        self.steady("two", 0.2)

    def check_lost(self):
        self.begin()
        before = dict(self.server.good)
        where = self.server.address
        self.server.kill()
        self.until(lambda: self.stat("control_plane.connected_state") == 0, "lost")
        self.steady("one", 1.5)
        assert self.stat("cluster_manager.cds.update_failure") >= 1
        with self.server.lock:
            self.server.put(EDS, assignment("app", self.backends[1]), push=False)
            self.server.requests.clear()
            self.server.ever.clear()
        self.server.address = where
        self.server.start()
        self.until(lambda: self.says() == "two", "converged", 60)
        self.until(lambda: self.stat("control_plane.connected_state") == 1, "connected again")
        brought = self.server.ever[0].initial
        if self.delta:
            assert brought[CDS] == before[CDS], brought
            assert brought[EDS] == before[EDS], brought
        else:
            assert brought[CDS] == "4", brought

    def check_static(self):
        """Static and dynamic ones together; a static one is not replaced."""
        fixed = fixed_cluster("fixed", self.backends[1])
        self.serve()
        self.server.put(EDS, assignment("by-eds", self.backends[0]))
        self.begin(clusters=[fixed, cluster("by-eds")],
                   listeners=[listener("static", self.fixed, inline=routes("inline", "fixed"))])
        self.until(lambda: self.says(self.fixed) == "two", "the static listener")
        self.server.put(CDS, fixed_cluster("fixed", self.backends[0]))
        self.server.wait(lambda: self.server.accepted(CDS), "taken")
        assert self.says(self.fixed) == "two"
        self.server.put(RDS, routes(to="by-eds"))
        self.server.put(EDS, assignment("app", self.backends[1]))
        self.until(lambda: self.says() == "one", "a static cluster's dynamic endpoints")

    def check_silent(self):
        """A server that says nothing: static resources serve after initial_fetch_timeout."""
        self.serve()
        self.server.silent = True
        self.start(self.bootstrap(
            int(self.server.address.rsplit(":", 1)[1]), timeout="0.5s",
            clusters=[fixed_cluster("fixed", self.backends[1])],
            listeners=[listener("static", self.fixed, inline=routes("inline", "fixed"))]))
        self.until(lambda: self.says(self.fixed) == "two", "the static listener")
        assert self.stat("cluster_manager.cds.init_fetch_timeout") == 1
        assert self.stat("listener_manager.lds.init_fetch_timeout") == 1
        with self.server.lock:
            self.server.silent = False
            for url in (CDS, EDS, LDS, RDS):
                for stream in self.server.streams:
                    stream.push(url, forced=True)
        self.until(lambda: self.says() == "one", "what comes late")

    def check_lapses(self):
        """A listener with a time to live serves while it is confirmed, and goes after it."""
        self.begin()
        with self.server.lock:
            self.server.ttl[LDS, "second"] = 2
            self.server.put(LDS, listener("second", self.fixed, inline=routes("inline")))
        self.until(lambda: self.says(self.fixed) == "one", "the second listener")
        end = time.monotonic() + 4
        while time.monotonic() < end:
            if self.is_envoy and not self.delta:
                # In the state of the world it takes a confirmation alone for all there is.
                with self.server.lock:
                    self.server.streams[0].push(LDS, forced=True)
            else:
                self.server.confirm(LDS, "second")
            assert self.says(self.fixed) == "one"
            time.sleep(0.1)
        self.until(lambda: self.says(self.fixed) is None, "its end")
        assert self.says() == "one"
        assert not self.server.refused, self.server.refused
        # Sent again without one, it stays.
        with self.server.lock:
            del self.server.ttl[LDS, "second"]
            self.server.put(LDS, listener("second", self.fixed, inline=routes("again")))
        self.until(lambda: self.says(self.fixed) == "one", "the listener again")

    def check_hostile(self):
        self.begin()
        for garbage in (b"\xff\xff\xff\xff", b"", b"\x08\x01" * 1000):
            streams = len(self.server.ever)
            self.server.send_raw(garbage)
            if garbage != b"\xff\xff\xff\xff":
                continue
            self.server.wait(lambda: len(self.server.ever) > streams, "a new stream", 40)
        self.steady("one", 0.3)
        # What is refused is sent again at once, for ever: it is read slower and slower.
        with self.server.lock:
            self.server.storm = True
            self.server.put(CDS, cluster(lrs_server={"self": {}}))
        self.server.wait(lambda: len(self.server.refused) > 3, "refusals")
        before, start = self.server.responses, time.monotonic()
        self.steady("one", 3)
        rate = (self.server.responses - before) / (time.monotonic() - start)
        assert rate < 40, rate
        with self.server.lock:
            self.server.storm = False
            self.server.put(CDS, cluster())
        self.server.wait(lambda: self.server.accepted(CDS), "an end of it", 40)
        self.steady("one", 0.2)

    def check_unix(self):
        path = os.path.join(self.dir, "xds.sock")
        self.serve("unix:" + path)
        self.start(self.bootstrap(path))
        self.until(lambda: self.says() == "one", "an answer")

    def check_mutual_tls(self):
        """The static cluster's transport_socket says how; strangers are not spoken to."""
        self.certify("server", "client")
        self.certify("other", ca="stranger")

        def read(name):
            with open(os.path.join(self.dir, name), "rb") as file:
                return file.read()

        def credentials(name):
            return grpc.ssl_server_credentials(
                [(read(name + ".key"), read(name + ".pem"))], read("ca.pem"), True)

        file = lambda name: {"filename": os.path.join(self.dir, name)}
        socket_of_client = {"name": "tls", "typed_config": {
            "@type": E + "transport_sockets.tls.v3.UpstreamTlsContext", "sni": "server.test",
            "common_tls_context": {
                "tls_certificates": [{"certificate_chain": file("client.pem"),
                                      "private_key": file("client.key")}],
                "validation_context": {"trusted_ca": file("ca.pem"),
                                       "match_typed_subject_alt_names": [
                    {"san_type": "DNS", "matcher": {"exact": "server.test"}}]}}}}
        self.serve(credentials=credentials("other"))
        port = int(self.server.address.rsplit(":", 1)[1])
        self.start(self.bootstrap(port, timeout="30s", transport_socket=socket_of_client))
        self.until(lambda: self.stat("cluster_manager.cds.update_failure") >= 1, "a stranger")
        assert not self.server.ever
        self.server.kill()
        self.serve("127.0.0.1:" + str(port), credentials("server"))
        self.until(lambda: self.says() == "one", "an answer", 60)


def main(kind=Bed):
    program, variant, checks = sys.argv[1], sys.argv[2], sys.argv[3:]
    failed = False
    for name in checks:
        bed, started = kind(program, variant), time.monotonic()
        try:
            getattr(bed, "check_" + name)()
            print(f"ok {name} ({time.monotonic() - started:.1f} s)")
        except Exception as error:  # each is a finding
            print(f"FAILED {name}: {type(error).__name__} {error}")
            if bed.proxy:
                with open(bed.log) as file:
                    print("".join(file.readlines()[-15:]))
            failed = True
        finally:
            bed.end()
    sys.stdout.flush()
    os._exit(int(failed))  # no reading thread is waited for


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A forwarder, or a stock Envoy, whose certificates and keys come from a server that is not ours.

foreign_secrets.py PROXY VARIANT CHECK...: as foreign_control_plane.py. One proxy is both sides
of mutual TLS: its listener "front" in clear leads to its cluster "back", which is its listener
"secure", which leads to the backend.
"""
import base64
import contextlib
import os
import signal
import socket
import ssl
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import echo_server
from foreign_control_plane import (ADS, Bed, E, address, fixed_cluster, listener, main, routes)
from ads_server import CDS, LDS, SDS

ENDED = (OSError, ssl.SSLError)


def by_server(delta, name="sds"):
    return {"resource_api_version": "V3", "api_config_source": {
        "api_type": "DELTA_GRPC" if delta else "GRPC", "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": name}}]}}


def tls(side, source, certificate, peer, timeout="15s", **more):
    named = lambda name, **more: {"name": name, "sds_config": {**source, **more}}
    return {"name": "tls", "typed_config": {
        "@type": E + f"transport_sockets.tls.v3.{side}TlsContext",
        "common_tls_context": {
            "tls_certificate_sds_secret_configs": [
                named(certificate, initial_fetch_timeout=timeout)],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": [
                    {"san_type": "DNS", "matcher": {"exact": peer}}]},
                "validation_context_sds_secret_config": named("roots")}}, **more}}


def secured(one, socket_of):
    one["filter_chains"][0]["transport_socket"] = socket_of
    return one


class SecretsBed(Bed):
    def read(self, name):
        with open(os.path.join(self.dir, name), "rb") as file:
            return file.read()

    def text(self, name):
        return {"inline_bytes": base64.b64encode(self.read(name)).decode()}

    def own(self, name, files, key=None):
        return {"name": name, "tls_certificate": {
            "certificate_chain": self.text(files + ".pem"),
            "private_key": self.text((key or files) + ".key")}}

    def roots(self, ca="ca"):
        return {"name": "roots", "validation_context": {"trusted_ca": self.text(ca + ".pem")}}

    def resources(self, source):
        """Clusters and listeners of both sides, whose secrets `source` has."""
        back = fixed_cluster("back", self.fixed, transport_socket=tls(
            "Upstream", source, "client", "server.test", sni="server.test"))
        secure = secured(listener("secure", self.fixed, inline=routes("plain")), tls(
            "Downstream", source, "server", "client.test", require_client_certificate=True))
        return back, secure, listener("front", self.port, inline=routes("leads", "back"))

    def secrets(self, push=True):
        self.server.put(SDS, self.own("server", "server"), self.own("client", "client"),
                        self.roots(), push=push)

    def connect(self, port=None):
        """TLS to the listener, as the client."""
        context = ssl.create_default_context(cafile=os.path.join(self.dir, "ca.pem"))
        context.load_cert_chain(os.path.join(self.dir, "client.pem"),
                                os.path.join(self.dir, "client.key"))
        plain = socket.create_connection(("127.0.0.1", port or self.fixed), timeout=10)
        return context.wrap_socket(plain, server_hostname="server.test")

    def serial(self, port=None):
        with contextlib.closing(self.connect(port)) as connection:
            return connection.getpeercert()["serialNumber"]

    def let_in(self, port=None):
        """Whether the listener answers the client, on a new connection."""
        try:
            with contextlib.closing(self.connect(port)) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                return connection.recv(100).startswith(b"HTTP/1.1 200")
        except ENDED:
            return False

    # ---- Checks

    def begin_by_ads(self):
        self.certify("server", "client")
        self.serve()
        back, secure, front = self.resources(ADS)
        self.server.put(CDS, back)
        self.server.put(LDS, secure, front,
                        listener("dynamic", echo_server.unused_port(), by="routes"))
        self.start(self.bootstrap(int(self.server.address.rsplit(":", 1)[1])))

    def check_by_ads(self):
        self.begin_by_ads()
        self.server.wait(lambda: SDS in self.server.asked(), "secrets asked for")
        end = time.monotonic() + 1
        while time.monotonic() < end:  # no listener before the clusters are warm
            assert self.says() is None
        self.secrets()
        self.until(lambda: self.says() == "one", "mutual TLS with secrets of the server")
        self.server.wait(lambda: self.server.accepted(SDS), "secrets accepted")
        names = set()
        for url, request in self.server.requests:
            if url == SDS:
                names |= set(request.resource_names_subscribe if self.delta
                             else request.resource_names)
        assert names == {"server", "client", "roots"}, names
        dump = self.page("/config_dump")
        assert "dynamic_active_secrets" in dump
        assert base64.b64encode(b"[redacted]").decode() in dump
        assert base64.b64encode(self.read("server.key")).decode() not in dump
        if not self.is_envoy:
            assert self.stat("sds.server.update_success") == 1

    def check_rotation(self):
        self.begin_by_ads()
        self.secrets()
        self.until(lambda: self.says() == "one", "the first answer")
        first = self.serial()
        for name in ("server", "client"):
            self.certify(name)
            self.server.put(SDS, self.own(name, name))
            self.steady("one", 0.3)
        self.until(lambda: self.serial() != first, "the new certificate")
        self.steady("one", 0.2)
        # The trust bundle: with another authority nobody is believed, and back.
        self.certify("other", ca="stranger")
        self.server.put(SDS, self.roots("stranger"))
        self.until(lambda: not self.let_in(), "strangers to each other")
        self.server.put(SDS, self.roots())
        self.until(self.let_in, "the bundle back")
        self.until(lambda: self.says() == "one", "an answer again")

    def check_bad_secrets(self):
        self.begin_by_ads()
        self.secrets()
        self.until(lambda: self.says() == "one", "the first answer")
        first = self.serial()
        for bad in (self.own("server", "server", key="client"),
                    {"name": "server", "tls_certificate": {
                        "certificate_chain": {"inline_string": "nonsense"},
                        "private_key": {"inline_string": "nonsense"}}},
                    {"name": "roots", "validation_context": {
                        "trusted_ca": {"inline_string": "nonsense"}}}):
            count = len(self.server.refused)
            self.server.put(SDS, bad)
            self.server.wait(lambda: len(self.server.refused) > count, "a refusal")
            assert self.server.refused[-1][0] == SDS, self.server.refused[-1]
            self.steady("one", 0.2)
            good = self.roots() if bad["name"] == "roots" else self.own("server", "server")
            self.server.put(SDS, good)
            self.server.wait(lambda: self.server.accepted(SDS), "mended")
        assert self.serial() == first
        # What the server takes back is kept.
        self.server.drop(SDS, "server")
        self.server.drop(SDS, "roots")
        self.steady("one", 0.5)
        assert self.serial() == first

    def check_missing(self):
        """What does not come in time is gone on without: nobody is let in, the rest serves."""
        self.begin_by_ads()
        self.secrets()
        self.until(lambda: self.says() == "one", "the first answer")
        port = echo_server.unused_port()
        self.server.put(LDS, secured(listener("late", port, inline=routes("plain")), tls(
            "Downstream", ADS, "absent", "client.test", "1s", require_client_certificate=True)))
        self.until(lambda: self.stat("listener_manager.total_listeners_warming") == 1, "warming")

        def shut():
            try:
                self.connect(port).close()
            except ConnectionRefusedError:
                return False
            except ENDED:
                return True
            raise AssertionError("somebody was let in")
        self.until(shut, "a listener that lets nobody in")
        self.steady("one", 0.2)
        self.server.put(SDS, self.own("absent", "server"))
        self.until(lambda: self.let_in(port), "the secret that came late")

    def check_by_server(self):
        """Static resources; the secrets come from a server on a Unix socket, which goes and is
        back."""
        self.certify("server", "client")
        path = os.path.join(self.dir, "sds.sock")
        self.serve("unix:" + path)
        self.secrets()
        back, secure, front = self.resources(by_server(self.delta))
        self.start({"node": {"id": "edge-1", "cluster": "edge"},
                    "admin": {"address": address(self.admin)},
                    "static_resources": {
                        "listeners": [secure, front],
                        "clusters": [back, fixed_cluster("sds", path, http2=True),
                                     fixed_cluster("app", self.backends[0])]}})
        self.until(lambda: self.says() == "one", "mutual TLS with secrets of the server")
        assert set(self.server.asked()) == {SDS}, self.server.asked()
        assert any(request.node.id == "edge-1" for _, request in self.server.requests)
        first = self.serial()
        self.server.kill()
        self.steady("one", 0.5)
        self.certify("server")
        with self.server.lock:
            self.secrets(push=False)
        self.serve_again(path)
        self.until(lambda: self.serial() != first, "the new certificate", 60)
        self.steady("one", 0.2)

    def reload(self, bootstrap):
        self.write(bootstrap)
        self.proxy.send_signal(signal.SIGHUP)

    def check_reload(self):
        """SIGHUP: static resources change under the secrets in force, and those to come."""
        self.certify("server", "client")
        path = os.path.join(self.dir, "sds.sock")
        self.serve("unix:" + path)
        self.secrets()
        source = by_server(self.delta)
        back, secure, front = self.resources(source)
        sds = fixed_cluster("sds", path, http2=True)

        def bootstrap(*more):
            return {"node": {"id": "edge-1", "cluster": "edge"},
                    "admin": {"address": address(self.admin)},
                    "static_resources": {
                        "listeners": [secure, front, *more],
                        "clusters": [back, sds, fixed_cluster("app", self.backends[0])]}}

        def listener_with(name, port, certificate):
            return secured(listener(name, port, inline=routes("plain")), tls(
                "Downstream", source, certificate, "client.test", require_client_certificate=True))

        def asked_for(secret):
            return any(secret in (request.resource_names_subscribe if self.delta
                                  else request.resource_names)
                       for url, request in self.server.requests if url == SDS)

        def closed(port):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=10).close()
                return False
            except ConnectionRefusedError:
                return True

        def logged(text):
            with open(self.log) as log:
                return text in log.read()

        self.start(bootstrap())
        self.until(lambda: self.says() == "one", "mutual TLS with secrets of the server")
        first = self.serial()
        ports = echo_server.unused_port(), echo_server.unused_port()
        same = listener_with("same", ports[0], "server")
        late = listener_with("late", ports[1], "late")
        self.reload(bootstrap(same))
        self.until(lambda: self.let_in(ports[0]), "a listener with a secret that is there")
        self.steady("one", 0.2)
        assert self.serial() == first
        # What serves goes on while another secret is awaited.
        self.reload(bootstrap(same, late))
        self.server.wait(lambda: asked_for("late"), "the new secret asked for")
        self.steady("one", 0.5)
        assert self.let_in(ports[0])
        self.server.put(SDS, self.own("late", "server"))
        self.until(lambda: self.let_in(ports[1]), "the listener with the new secret")
        # What cannot be read changes nothing.
        self.reload({"static_resources": {"listeners": "none"}})
        self.until(lambda: logged("the settings before stay in force"), "a refusal")
        self.steady("one", 0.2)
        assert self.let_in(ports[0]) and self.let_in(ports[1])
        # Renewal goes on, for old and new.
        self.certify("server")
        self.server.put(SDS, self.own("server", "server"), self.own("late", "server"))
        self.until(lambda: self.serial() != first, "the new certificate")
        self.until(lambda: self.serial(ports[0]) != first and self.serial(ports[1]) != first,
                   "the new certificate of listeners that came later")
        self.reload(bootstrap())
        self.until(lambda: closed(ports[0]) and closed(ports[1]), "the listeners gone")
        self.steady("one", 0.2)

    def serve_again(self, path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.server.address = "unix:" + path
        self.server.start()


if __name__ == "__main__":
    main(SecretsBed)

#!/usr/bin/env python3
"""gRPC's own client as a witness of discoveryd's aggregated discovery service.

xds_client.py SOCKET CONFIG LOG CHECK...: SOCKET is discoveryd's, CONFIG the directory of
objects that configd reads, LOG discoveryd's log. Prints a line a check; exit status 0 all
held, 1 some did not, 77 no grpcio or xds-protos.
"""
import itertools
import os
import queue
import socket
import sys
import threading
import time

try:
    import grpc
    from envoy.service.discovery.v3 import discovery_pb2 as pb
    from envoy.config.cluster.v3 import cluster_pb2
    from envoy.config.endpoint.v3 import endpoint_pb2
except ImportError as error:
    print(f"no gRPC or no official descriptors: {error}")
    sys.exit(77)

T = "type.googleapis.com/envoy.config."
CDS, EDS = T + "cluster.v3.Cluster", T + "endpoint.v3.ClusterLoadAssignment"
LDS, RDS = T + "listener.v3.Listener", T + "route.v3.RouteConfiguration"
SDS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
REVIEWS = "outbound|80||reviews"
WAIT = 20
QUIET = 0.4
ids = itertools.count()


class Ended(Exception):
    pass


class Stream:
    """One stream; requests are bytes or messages, responses come in order."""

    def __init__(self, channel, delta=False, node=None, raw=False):
        self.delta = delta
        self.requests = queue.Queue()
        self.responses = queue.Queue()
        self.node = node or {"id": f"peer-{next(ids)}@test", "metadata": {
            "namespace": "demo", "outbound": "127.0.0.1:15001", "certificates": "/etc/peer"}}
        self.first = True
        response = pb.DeltaDiscoveryResponse if delta else pb.DiscoveryResponse
        call = channel.stream_stream(
            SERVICE + ("Delta" if delta else "Stream") + "AggregatedResources",
            request_serializer=lambda m: m if isinstance(m, bytes) else m.SerializeToString(),
            response_deserializer=response.FromString)
        self.call = call(iter(self.requests.get, None))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for response in self.call:
                self.responses.put(response)
            self.responses.put(Ended(grpc.StatusCode.OK, ""))
        except grpc.RpcError as error:
            self.responses.put(Ended(error.code(), error.details()))

    def send(self, message):
        self.requests.put(message)

    def ask(self, type_url, **fields):
        kind = pb.DeltaDiscoveryRequest if self.delta else pb.DiscoveryRequest
        request = kind(type_url=type_url, **fields)
        if self.first:
            request.node.id = self.node["id"]
            request.node.metadata.update(self.node.get("metadata", {}))
            self.first = False
        self.send(request)

    def next(self, wait=WAIT):
        try:
            response = self.responses.get(timeout=wait)
        except queue.Empty:
            raise AssertionError("no response came") from None
        if isinstance(response, Ended):
            raise response
        return response

    def quiet(self):
        try:
            response = self.responses.get(timeout=QUIET)
        except queue.Empty:
            return
        raise AssertionError(f"there should be no response: {response}")

    def settle(self):
        """Accepts what comes until nothing does."""
        told = []
        while True:
            try:
                told.append(self.next(QUIET))
            except AssertionError:
                return told
            self.ack(told[-1])

    def ended(self):
        try:
            response = self.next()
        except Ended as end:
            return end.args[0]
        raise AssertionError(f"not ended: {response}")

    def ack(self, response, error=None, **fields):
        kind = {"response_nonce": response.nonce}
        if not self.delta:
            kind["version_info"] = response.version_info
        if error:
            kind["error_detail"] = {"code": 3, "message": error}
        self.ask(response.type_url, **kind, **fields)

    def until(self, type_url):
        """The next response of that type; what comes before it is accepted."""
        while True:
            response = self.next()
            if response.type_url == type_url:
                return response
            self.ack(response)

    def close(self):
        self.requests.put(None)
        self.call.cancel()


class Witness:
    def __init__(self, path, config, log):
        self.path, self.config, self.log = path, config, log
        self.channel = self.connect()

    def connect(self):
        return grpc.insecure_channel("unix:" + self.path, options=[
            ("grpc.default_authority", "localhost"), ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", -1)])

    def entry(self, port, name="reviews-v1"):
        text = (f"apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n"
                f"metadata: {{name: {name}, namespace: demo}}\n"
                f"spec: {{address: 127.0.0.1, ports: {{http: {port}}}, labels: {{app: reviews}}}}\n")
        self.write(name, text)

    def rule(self, requests):
        self.write("rule", "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
                   "metadata: {name: reviews, namespace: demo}\nspec: {host: reviews, trafficPolicy: "
                   f"{{connectionPool: {{http: {{http1MaxPendingRequests: {requests}}}}}}}}}\n")

    def route(self, seconds):
        self.write("route", "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
                   "metadata: {name: reviews, namespace: demo}\nspec: {hosts: [reviews], http: "
                   f"[{{timeout: {seconds}s, route: [{{destination: {{host: reviews}}}}]}}]}}\n")

    def write(self, name, text):
        temporary = os.path.join(self.config, f".{name}.tmp")
        with open(temporary, "w") as file:
            file.write(text)
        os.rename(temporary, os.path.join(self.config, name + ".yaml"))

    def remove(self, name):
        os.remove(os.path.join(self.config, name + ".yaml"))

    def logged(self, *words):
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            with open(self.log) as file:
                if any(all(w in line for w in words) for line in file):
                    return
            time.sleep(0.05)
        raise AssertionError(f"not logged: {words}")

    # ---- Checks

    def check_whole(self):
        s = Stream(self.channel)
        s.ask(CDS)
        clusters = s.next()
        assert clusters.type_url == CDS and clusters.nonce and clusters.version_info
        names = [cluster_pb2.Cluster.FromString(r.value).name for r in clusters.resources]
        assert REVIEWS in names, names
        s.ack(clusters)
        s.ask(EDS, resource_names=[REVIEWS])
        endpoints = s.next()
        assert endpoints.type_url == EDS and len(endpoints.resources) == 1
        s.ack(endpoints, resource_names=[REVIEWS])
        s.ask(LDS)
        listeners = s.next()
        assert listeners.type_url == LDS and listeners.resources
        s.ack(listeners)
        s.ask(RDS, resource_names=["outbound"])
        routes = s.next()
        assert routes.type_url == RDS and len(routes.resources) == 1
        s.ack(routes, resource_names=["outbound"])
        s.ask(SDS, resource_names=["default", "ROOTCA"])
        secrets = s.next()
        assert len(secrets.resources) == 2
        assert b"/etc/peer/svid.key" in b"".join(r.value for r in secrets.resources)
        s.ack(secrets, resource_names=["default", "ROOTCA"])
        s.quiet()
        # A change of one endpoint is one response of endpoints, and nothing else.
        self.entry(20111)
        changed = s.next()
        assert changed.type_url == EDS and changed.version_info != endpoints.version_info
        assignment = endpoint_pb2.ClusterLoadAssignment.FromString(changed.resources[0].value)
        port = assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value
        assert port == 20111, assignment
        s.ack(changed, resource_names=[REVIEWS])
        s.quiet()
        s.close()

    def subscribe(self, s, versions=None):
        """All types of the incremental variant; what came, by type."""
        versions = versions or {}
        for type_url in (CDS, EDS, LDS, RDS):
            names = {EDS: [REVIEWS], RDS: ["outbound"]}.get(type_url, [])
            s.ask(type_url, resource_names_subscribe=names,
                  initial_resource_versions=versions.get(type_url, {}))

    def check_incremental(self):
        s = Stream(self.channel, delta=True)
        self.subscribe(s)
        held = {}
        for response in s.settle():
            for r in response.resources:
                held.setdefault(response.type_url, {})[r.name] = r.version
        assert REVIEWS in held[CDS] and REVIEWS in held[EDS], held
        self.route(7)
        changed = s.next()
        assert changed.type_url == RDS and [r.name for r in changed.resources] == ["outbound"]
        s.ack(changed)
        held[RDS]["outbound"] = changed.resources[0].version
        s.quiet()
        s.close()
        # Who comes back with its versions gets what is new, and what is gone.
        held[CDS]["outbound|80||gone"] = "1"
        s = Stream(self.connect(), delta=True, node=s.node)
        self.subscribe(s, held)
        told = s.settle()
        assert not any(r.resources for r in told), told
        assert ["outbound|80||gone"] in [list(r.removed_resources) for r in told], told
        s.close()

    def check_order(self):
        s = Stream(self.channel, delta=True)
        self.subscribe(s)
        s.settle()
        self.write("new", "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"
                   "metadata: {name: new, namespace: demo}\nspec: {hosts: [new], resolution: STATIC, "
                   "ports: [{number: 80, name: http, protocol: HTTP}], "
                   "endpoints: [{address: 127.0.0.1, ports: {http: 20333}}]}\n")
        first = s.next()
        assert first.type_url == CDS and [r.name for r in first.resources] == ["outbound|80||new"]
        s.quiet()  # routes wait until the cluster was answered
        s.ack(first)
        s.ask(EDS, resource_names_subscribe=["outbound|80||new"])
        rest = s.settle()
        assert {r.type_url for r in rest} == {EDS, RDS}, rest
        # And back: the route first, then what it named.
        self.remove("new")
        first = s.next()
        assert first.type_url == RDS, first
        s.ack(first)
        rest = [s.next()]
        s.ack(rest[0])
        while not any("outbound|80||new" in r.removed_resources and r.type_url == CDS for r in rest):
            rest.append(s.next())
            s.ack(rest[-1])
        assert all(not r.resources for r in rest), rest
        s.close()

    def check_refusal(self, delta):
        node = {"id": f"refuser-{int(delta)}@test", "metadata": {"namespace": "demo"}}
        s = Stream(self.channel, delta=delta, node=node)
        s.ask(CDS)
        s.settle()
        self.rule(11 + delta)
        refused = s.until(CDS)
        s.ack(refused, error=f"cluster {REVIEWS} is not to my liking")
        self.logged("refuses", node["id"], REVIEWS, "not to my liking")
        s.quiet()
        self.rule(11 + delta)  # the same
        self.entry(20222, "other")  # something else
        s.quiet()
        s.ack(refused, error="again")  # a nonce that was answered
        s.quiet()
        self.rule(21 + delta)
        again = s.until(CDS)
        assert REVIEWS in [cluster_pb2.Cluster.FromString(
            r.resource.value if delta else r.value).name for r in again.resources]
        s.ack(again)
        self.remove("other")
        self.remove("rule")
        s.close()

    def check_refusal_whole(self):
        self.check_refusal(False)

    def check_refusal_incremental(self):
        self.check_refusal(True)

    def check_stale(self):
        s = Stream(self.channel)
        s.ask(CDS)
        first = s.settle()[-1]
        s.ask(CDS, response_nonce="nonsense")
        s.ask(CDS, response_nonce="")
        s.quiet()
        self.rule(31)
        s.ack(s.until(CDS))
        s.ack(first)  # once more, an old one
        s.ack(first, error="too late")
        s.quiet()
        self.remove("rule")
        s.ack(s.until(CDS))
        s.close()

    def check_hostile(self):
        def ends(code, send, delta=False):
            s = Stream(self.channel, delta=delta)
            send(s)
            assert s.ended() == code, code

        invalid = grpc.StatusCode.INVALID_ARGUMENT
        for delta in (False, True):
            ends(invalid, lambda s: s.send(b"\xff\xff\xff\xff garbage"), delta)
            ends(invalid, lambda s: s.send(pb.DiscoveryRequest(type_url=CDS)))  # nobody

        def named(s, **node):
            s.node = node
            s.ask(CDS)

        ends(invalid, lambda s: named(s, id="x" * 2000))
        ends(invalid, lambda s: named(s, id="a", metadata={"outbound": "nowhere"}))
        ends(invalid, lambda s: named(s, id="a", metadata={"labels": "none"}))
        ends(invalid, lambda s: named(s, id="a", metadata={"certificates": "here"}))
        ends(grpc.StatusCode.RESOURCE_EXHAUSTED,
             lambda s: named(s, id="a", metadata={"fat": "x" * 10_000_000}))

        def other(s):
            s.ask(CDS)
            s.next()
            s.send(pb.DiscoveryRequest(type_url=CDS, node={"id": "somebody-else"}))
        ends(invalid, other)

        def names(s):
            s.ask(EDS, resource_names=[f"n{i}" for i in range(30_000)])
        ends(grpc.StatusCode.RESOURCE_EXHAUSTED, names)

        s = Stream(self.channel)
        s.ask("type.googleapis.com/of.Nobody")
        s.ask(CDS)
        clusters = s.next()
        # Refused without end, each time under another name: nothing is sent again.
        for i in range(2000):
            s.ack(clusters, error="no", resource_names=[f"n{i}"] if i % 2 else ["*"])
        for _ in range(2000):
            try:
                s.ack(s.next(QUIET), error="no")
            except AssertionError:
                break
        s.close()

    def check_thousand(self):
        channels = [self.connect() for _ in range(20)]
        streams = [Stream(channels[i % 20], delta=i % 2 == 1) for i in range(1000)]
        for s in streams:
            s.ask(CDS)
        for s in streams:
            s.ack(s.next(60))
        self.rule(41)
        for s in streams:
            s.ack(s.next(60))
        for channel in channels:
            channel.close()
        self.remove("rule")

    def check_reconnects(self):
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4\0" + bytes(4)
        for i in range(5000):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(self.path)
                try:
                    if i % 3:
                        s.sendall(preface if i % 3 == 1 else b"\x16\x03garbage" * 50)
                except BrokenPipeError:
                    pass
        node = {"id": "comes-and-goes@test", "metadata": {"namespace": "demo"}}
        for _ in range(100):
            channel = self.connect()
            s = Stream(channel, node=node)
            s.ask(CDS)
            s.next()
            channel.close()
        s = Stream(self.connect())
        s.ask(CDS)
        s.next()
        s.close()


def main():
    witness = Witness(*sys.argv[1:4])
    failed = False
    for name in sys.argv[4:]:
        started = time.monotonic()
        try:
            getattr(witness, "check_" + name)()
            print(f"ok {name} ({time.monotonic() - started:.1f} s)")
        except (AssertionError, Ended) as error:
            print(f"FAILED {name}: {type(error).__name__} {error}")
            failed = True
    sys.stdout.flush()
    os._exit(int(failed))  # no reading thread is waited for


if __name__ == "__main__":
    main()

"""A small server of the aggregated discovery service, and of the one of secrets, both variants,
over grpcio and Envoy's official messages. It shares no code with lib/ads: it is the other side's witness.

    server = AdsServer("127.0.0.1:0")
    server.set(CDS, cluster("app"))
    server.wait(lambda: server.accepted(CDS))

What a client says is kept: requests in order, and what it refused.
"""
import itertools
import queue
import threading
import time
from concurrent import futures

import grpc
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2)
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from envoy.service.discovery.v3 import discovery_pb2 as pb
from google.protobuf import any_pb2, json_format

T = "type.googleapis.com/envoy.config."
CDS, EDS = T + "cluster.v3.Cluster", T + "endpoint.v3.ClusterLoadAssignment"
LDS, RDS = T + "listener.v3.Listener", T + "route.v3.RouteConfiguration"
SDS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
MESSAGES = {CDS: cluster_pb2.Cluster, EDS: endpoint_pb2.ClusterLoadAssignment,
            LDS: listener_pb2.Listener, RDS: route_pb2.RouteConfiguration, SDS: secret_pb2.Secret}
WHOLE = (CDS, LDS)
KNOWN = (router_pb2, http_connection_manager_pb2, tls_pb2)  # to be found by their names, within Any
SERVICES = {"envoy.service.discovery.v3.AggregatedDiscoveryService": "AggregatedResources",
            "envoy.service.secret.v3.SecretDiscoveryService": "Secrets"}
WAIT = 20


def message(type_url, fields):
    """The message of that type, of its JSON form."""
    return json_format.ParseDict(fields, MESSAGES[type_url]())


def name_of(resource):
    return getattr(resource, "cluster_name", None) or resource.name


class Stream:
    """One client's stream: what it asked for, and what it was sent last of each type."""

    def __init__(self, server, delta, metadata):
        self.server, self.delta = server, delta
        self.metadata = dict(metadata)
        self.node = None
        self.out = queue.Queue()
        self.names = {}       # by type: None is all
        self.nonces = {}      # by type, the last sent
        self.sent = {}        # by type: {name: version}
        self.initial = {}     # by type: what it brought from before

    def take(self, request):
        url = request.type_url
        first = url not in self.names
        if request.node.id:
            self.node = request.node
        nonce = request.response_nonce
        error = request.error_detail.message if request.HasField("error_detail") else None
        if nonce and nonce == self.nonces.get(url):
            self.server.answered(url, self.sent.get(url, {}), error)
        if self.delta:
            names = set() if first else self.names[url]
            if first:
                self.initial[url] = dict(request.initial_resource_versions)
                self.sent[url] = dict(request.initial_resource_versions)
            if url in WHOLE:
                names = None
            else:
                names |= set(request.resource_names_subscribe)
                names -= set(request.resource_names_unsubscribe)
                for name in request.resource_names_unsubscribe:
                    self.sent[url].pop(name, None)
            self.names[url] = names
        else:
            if first:
                self.initial[url] = request.version_info
            elif nonce != self.nonces.get(url):
                return
            self.names[url] = None if url in WHOLE else set(request.resource_names)
        fresh = first and not (self.delta and self.initial[url])
        self.push(url, forced=fresh or (error is not None and self.server.storm))

    def push(self, url, forced=False):
        if url not in self.names or self.server.silent:
            return
        wanted = {n: r for n, r in self.server.resources[url].items()
                  if self.names[url] is None or n in self.names[url]}
        sent = self.sent.setdefault(url, {})
        versions = {name: version for name, (version, _) in wanted.items()}
        if not forced and versions == sent:
            return
        nonce = str(next(self.server.nonces))
        if self.delta:
            response = pb.DeltaDiscoveryResponse(
                type_url=url, nonce=nonce, system_version_info=str(self.server.version))
            for name, (version, body) in wanted.items():
                if forced or sent.get(name) != version:
                    response.resources.append(self.server.wrapped(url, name, version, body))
            response.removed_resources.extend(sorted(sent.keys() - wanted.keys()))
        else:
            if not wanted and url not in WHOLE:
                return
            response = pb.DiscoveryResponse(
                type_url=url, nonce=nonce, version_info=str(self.server.version))
            for name, (version, body) in wanted.items():
                any_of = response.resources.add()
                if (url, name) in self.server.ttl:
                    any_of.Pack(self.server.wrapped(url, name, version, body))
                else:
                    any_of.CopyFrom(body)
        response.control_plane.identifier = "witness"
        self.sent[url] = versions
        self.nonces[url] = nonce
        self.server.responses += 1
        self.out.put(response)


    def confirm(self, url, name):
        """Says that a resource with a time to live is still what it was."""
        version, _ = self.server.resources[url][name]
        resource = self.server.wrapped(url, name, version)
        nonce = str(next(self.server.nonces))
        if self.delta:
            response = pb.DeltaDiscoveryResponse(type_url=url, nonce=nonce, resources=[resource])
        else:
            response = pb.DiscoveryResponse(
                type_url=url, nonce=nonce, version_info=str(self.server.version))
            response.resources.add().Pack(resource)
        self.nonces[url] = nonce
        self.out.put(response)


class AdsServer:
    def __init__(self, address, credentials=None):
        self.lock = threading.RLock()
        self.nonces = itertools.count(1)
        self.version = 0
        self.resources = {url: {} for url in MESSAGES}  # {name: (version, Any)}
        self.ttl = {}         # by type and name, in seconds: sent with it, and wrapped
        self.streams = []
        self.ever = []        # all streams there were
        self.requests = []    # (type URL, request)
        self.good = {}        # by type: versions accepted last
        self.refused = []     # (type URL, reason)
        self.responses = 0
        self.silent = False   # says nothing
        self.storm = False    # sends again what is refused
        self.address, self.credentials = address, credentials
        self.server = None

    # ---- What there is

    def put(self, url, *fields, push=True):
        with self.lock:
            self.version += 1
            for each in fields:
                resource = each if not isinstance(each, dict) else message(url, each)
                body = any_pb2.Any()
                body.Pack(resource)
                self.resources[url][name_of(resource)] = (str(self.version), body)
            if push:
                self.push(url)

    def drop(self, url, name):
        with self.lock:
            self.version += 1
            del self.resources[url][name]
            self.push(url)

    def push(self, url):
        for stream in self.streams:
            stream.push(url)

    def wrapped(self, url, name, version, body=None):
        resource = pb.Resource(name=name, version=version, resource=body)
        if (url, name) in self.ttl:
            resource.ttl.FromSeconds(self.ttl[url, name])
        return resource

    def confirm(self, url, name):
        with self.lock:
            for stream in self.streams:
                stream.confirm(url, name)

    def send_raw(self, message):
        with self.lock:
            for stream in self.streams:
                stream.out.put(message)

    # ---- What was said

    def answered(self, url, versions, error):
        if error is None:
            self.good[url] = dict(versions)
        else:
            self.refused.append((url, error))

    def accepted(self, url):
        """The client has accepted all that there is of the type."""
        with self.lock:
            have = {n: v for n, (v, _) in self.resources[url].items()}
            return self.good.get(url) == have

    def asked(self):
        """The types asked for, in the order of their first requests."""
        with self.lock:
            return list(dict.fromkeys(url for url, _ in self.requests))

    def wait(self, fact, what="a fact", wait=WAIT):
        end = time.monotonic() + wait
        while time.monotonic() < end:
            with self.lock:
                if fact():
                    return
            time.sleep(0.01)
        raise AssertionError(f"still not so: {what}")

    # ---- The server

    def handle(self, delta):
        def run(requests, context):
            stream = Stream(self, delta, context.invocation_metadata())
            with self.lock:
                self.streams.append(stream)
                self.ever.append(stream)

            def read():
                try:
                    for request in requests:
                        with self.lock:
                            self.requests.append((request.type_url, request))
                            stream.take(request)
                except grpc.RpcError:
                    pass
                stream.out.put(None)

            threading.Thread(target=read, daemon=True).start()
            try:
                while (response := stream.out.get()) is not None:
                    yield response
            finally:
                with self.lock:
                    if stream in self.streams:
                        self.streams.remove(stream)
        return run

    def start(self):
        def write(response):
            return response if isinstance(response, bytes) else response.SerializeToString()
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=16),
                                  options=[("grpc.so_reuseport", 0)])
        for service, streamed in SERVICES.items():
            self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {
                "Stream" + streamed: grpc.stream_stream_rpc_method_handler(
                    self.handle(False), pb.DiscoveryRequest.FromString, write),
                "Delta" + streamed: grpc.stream_stream_rpc_method_handler(
                    self.handle(True), pb.DeltaDiscoveryRequest.FromString, write),
            }),))
        if self.credentials:
            port = self.server.add_secure_port(self.address, self.credentials)
        else:
            port = self.server.add_insecure_port(self.address)
        if self.address.endswith(":0"):
            self.address = self.address[:-1] + str(port)
        self.server.start()
        return self

    def kill(self):
        with self.lock:
            for stream in self.streams:
                stream.out.put(None)
        self.server.stop(0).wait()

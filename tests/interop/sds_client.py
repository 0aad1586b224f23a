#!/usr/bin/env python3
"""gRPC's own client as a witness of certd's secret discovery service.

sds_client.py SOCKET CHECK...: prints a line a check; exit status 0 all held, 1 some did not,
77 no grpcio or xds-protos.
"""
import os
import subprocess
import sys
import threading
import time

try:
    import grpc
    from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
    import xds_client
except ImportError as error:
    print(f"no gRPC or no official descriptors: {error}")
    sys.exit(77)
from xds_client import Ended, SDS, Stream

WAIT = 20


def channel():
    return grpc.insecure_channel("unix:" + sys.argv[1], options=[
        ("grpc.default_authority", "localhost"), ("grpc.use_local_subchannel_pool", 1)])


def stream(delta=False):
    return Stream(channel(), delta=delta)


def secrets(response, delta=False):
    found = {}
    for resource in response.resources:
        secret = secret_pb2.Secret.FromString((resource.resource if delta else resource).value)
        found[secret.name] = secret
    return found


def openssl(text, *words):
    return subprocess.run(["openssl", *words], input=text, check=True,
                          stdout=subprocess.PIPE).stdout


def own(s, delta=False):
    """The certificate and the key, which fit each other."""
    secret = secrets(s, delta)["default"].tls_certificate
    chain, key = secret.certificate_chain.inline_bytes, secret.private_key.inline_bytes
    assert openssl(chain, "x509", "-noout", "-pubkey") == openssl(key, "pkey", "-pubout")
    return chain, key


def check_roots_alone():
    """Who asks for the bundle alone gets no key."""
    s = stream()
    s.ask(SDS, resource_names=["ROOTCA"])
    got = secrets(s.next())
    assert list(got) == ["ROOTCA"], got
    assert b"BEGIN CERTIFICATE" in got["ROOTCA"].validation_context.trusted_ca.inline_bytes
    s.close()


def check_own():
    s = stream()
    s.ask(SDS, resource_names=["default"])
    first = s.next()
    chain, key = own(first)
    text = openssl(chain, "x509", "-noout", "-text").decode()
    assert "URI:spiffe://cluster.local/ns/demo/sa/ratings" in text, text
    s.ack(first, resource_names=["default"])
    # Another stream of the same user has the same key.
    t = stream()
    t.ask(SDS, resource_names=["default"])
    assert own(t.next())[1] == key
    s.close()
    t.close()


def check_rotation():
    for delta in (False, True):
        s = stream(delta)
        names = {"resource_names_subscribe" if delta else "resource_names": ["default"]}
        s.ask(SDS, **names)
        first = s.next()
        s.ack(first, **({} if delta else names))
        second = s.next(WAIT)
        assert own(first, delta)[0] != own(second, delta)[0]
        assert own(first, delta)[1] == own(second, delta)[1]
        s.ack(second, **({} if delta else names))
        s.close()


def check_both_variants():
    """By the service of its own, as Envoy's api_config_source asks."""
    for method, delta in (("StreamSecrets", False), ("DeltaSecrets", True)):
        service = "/envoy.service.secret.v3.SecretDiscoveryService/"
        call = channel().stream_stream(
            service + method,
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=(xds_client.pb.DeltaDiscoveryResponse if delta else
                                   xds_client.pb.DiscoveryResponse).FromString)
        kind = xds_client.pb.DeltaDiscoveryRequest if delta else xds_client.pb.DiscoveryRequest
        names = {"resource_names_subscribe" if delta else "resource_names": ["default", "ROOTCA"]}
        done = threading.Event()

        def requests(first):
            yield first
            done.wait(WAIT)

        got = secrets(next(call(requests(kind(type_url=SDS, **names)))), delta)
        done.set()
        assert set(got) == {"default", "ROOTCA"}, got


def check_unknown():
    s = stream()
    s.ask(SDS, resource_names=["other"])
    assert not s.next().resources
    s.close()
    s = stream(True)
    s.ask(SDS, resource_names_subscribe=["other"])
    assert list(s.next().removed_resources) == ["other"]
    s.close()


def check_hostile():
    for delta in (False, True):
        s = stream(delta)
        s.send(b"\xff\xff\xff garbage")
        assert s.ended() == grpc.StatusCode.INVALID_ARGUMENT
    s = stream()
    s.ask(SDS, resource_names=[f"n{i}" for i in range(100)])
    assert s.ended() == grpc.StatusCode.RESOURCE_EXHAUSTED
    # Refused again and again: nothing is sent before it changes.
    s = stream()
    s.ask(SDS, resource_names=["ROOTCA"])
    got = s.next()
    for _ in range(50):
        s.ack(got, error="no", resource_names=["ROOTCA"])
    s.quiet()
    s.close()
    streams = [stream() for _ in range(200)]
    for s in streams:
        s.ask(SDS, resource_names=["default"])
    for s in streams:
        own(s.next(60))
        s.close()


def check_refused():
    s = stream()
    s.ask(SDS, resource_names=["default"])
    assert s.ended() == grpc.StatusCode.PERMISSION_DENIED


def main():
    failed = False
    for name in sys.argv[2:]:
        started = time.monotonic()
        try:
            globals()["check_" + name]()
            print(f"ok {name} ({time.monotonic() - started:.1f} s)")
        except (AssertionError, Ended, grpc.RpcError, KeyError) as error:
            print(f"FAILED {name}: {type(error).__name__} {error}")
            failed = True
    sys.stdout.flush()
    os._exit(int(failed))


if __name__ == "__main__":
    main()

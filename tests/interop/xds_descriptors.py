#!/usr/bin/env python3
"""Compares lib/api/envoy field by field with Envoy's official descriptors.

xds_descriptors.py DESCRIPTOR_SET: the set is what protoc makes of lib/api
(--include_imports). Prints each difference; exit status 0 none, 1 some, 77
the official descriptors (PyPI: xds-protos) are not there.

A message of ours must have every field of Envoy's message, with number, name,
type and label; one marked (mesh.api.unsupported_message) has none. A field
that only Envoy has was added there later: it is a difference too, so that the
subset is brought up to date on purpose.
"""
import importlib
import sys

try:
    from google.protobuf import descriptor_pb2, descriptor_pool
    importlib.import_module("envoy.config.bootstrap.v3.bootstrap_pb2")
except ImportError as error:
    print(f"no official descriptors: {error}")
    sys.exit(77)

# Fields of Envoy 1.40 that its published descriptors do not have yet.
NEWER = {("envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget", "budget_interval")}
UNSUPPORTED_MESSAGE = 50816  # lib/api/mesh/xds_options.proto
OFFICIAL_MODULES = """
envoy.config.listener.v3.listener_pb2
envoy.service.discovery.v3.discovery_pb2
envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2
envoy.extensions.filters.listener.http_inspector.v3.http_inspector_pb2
envoy.extensions.filters.listener.original_dst.v3.original_dst_pb2
envoy.extensions.filters.listener.proxy_protocol.v3.proxy_protocol_pb2
envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol_pb2
envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2
envoy.config.common.matcher.v3.matcher_pb2
envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2
envoy.extensions.filters.network.ext_authz.v3.ext_authz_pb2
envoy.extensions.filters.network.rbac.v3.rbac_pb2
envoy.extensions.filters.http.rbac.v3.rbac_pb2
envoy.extensions.filters.http.jwt_authn.v3.config_pb2
envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2
envoy.service.auth.v3.external_auth_pb2
envoy.extensions.path.match.uri_template.v3.uri_template_match_pb2
envoy.extensions.filters.network.connection_limit.v3.connection_limit_pb2
envoy.extensions.filters.network.local_ratelimit.v3.local_rate_limit_pb2
envoy.extensions.filters.http.router.v3.router_pb2
envoy.extensions.filters.http.fault.v3.fault_pb2
envoy.extensions.filters.http.cors.v3.cors_pb2
envoy.extensions.filters.http.grpc_stats.v3.config_pb2
envoy.extensions.filters.http.on_demand.v3.on_demand_pb2
envoy.extensions.filters.http.local_ratelimit.v3.local_rate_limit_pb2
envoy.extensions.filters.http.adaptive_concurrency.v3.adaptive_concurrency_pb2
envoy.extensions.resource_monitors.fixed_heap.v3.fixed_heap_pb2
envoy.extensions.resource_monitors.downstream_connections.v3.downstream_connections_pb2
envoy.extensions.transport_sockets.tls.v3.tls_pb2
envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2
envoy.extensions.upstreams.http.v3.http_protocol_options_pb2
envoy.extensions.access_loggers.file.v3.file_pb2
envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2
envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config_pb2
envoy.extensions.load_balancing_policies.common.v3.common_pb2
envoy.extensions.load_balancing_policies.least_request.v3.least_request_pb2
envoy.extensions.load_balancing_policies.maglev.v3.maglev_pb2
envoy.extensions.load_balancing_policies.random.v3.random_pb2
envoy.extensions.load_balancing_policies.ring_hash.v3.ring_hash_pb2
envoy.extensions.load_balancing_policies.round_robin.v3.round_robin_pb2
envoy.extensions.filters.http.stateful_session.v3.stateful_session_pb2
envoy.extensions.http.stateful_session.cookie.v3.cookie_pb2
envoy.extensions.http.stateful_session.header.v3.header_pb2
envoy.config.trace.v3.opentelemetry_pb2
envoy.extensions.request_id.uuid.v3.uuid_pb2
""".split()


def messages(file):
    """(full name, DescriptorProto) of all messages of a file, nested ones too."""
    def walk(prefix, message):
        name = f"{prefix}.{message.name}"
        yield name, message
        for nested in message.nested_type:
            if not nested.options.map_entry:
                yield from walk(name, nested)
    for message in file.message_type:
        yield from walk(file.package, message)


def enums(file):
    def walk(prefix, holder, top):
        for enum in holder.enum_type:
            yield f"{prefix}.{enum.name}", enum
        for nested in (holder.message_type if top else holder.nested_type):
            yield from walk(f"{prefix}.{nested.name}", nested, False)
    yield from walk(file.package, file, True)


def stand_in(message):
    """Whether the message is marked (mesh.api.unsupported_message).

    The option is an extension this process has not registered: it is looked
    for among the bytes, as a varint field of that number.
    """
    tag, key = UNSUPPORTED_MESSAGE << 3, bytearray()
    while tag > 0x7F:
        key.append(tag & 0x7F | 0x80)
        tag >>= 7
    key.append(tag)
    return bytes(key) in message.options.SerializeToString()


def field_facts(field):
    name = field.type_name if not field.type_name.endswith("Entry") else "map"
    # A name that C++ has as a keyword has an underscore behind it here.
    return field.number, field.name.rstrip("_"), field.type, field.label, name


def compare(ours):
    official = descriptor_pool.Default()
    for module in OFFICIAL_MODULES:
        importlib.import_module(module)
    compared = 0
    for file in ours.file:
        if not file.package.startswith(("envoy.", "xds.")):
            continue
        for name, message in messages(file):
            try:
                theirs = official.FindMessageTypeByName(name)
            except KeyError:
                yield f"{name}: Envoy has no such message"
                continue
            want = descriptor_pb2.DescriptorProto()
            theirs.CopyToProto(want)
            compared += 1
            known = {f.name for f in want.field}
            mine = {field_facts(f) for f in message.field
                    if f.name in known or (name, f.name) not in NEWER}
            if stand_in(message):
                if mine:
                    yield f"{name}: a stand-in has no fields"
                continue
            real = {field_facts(f) for f in want.field}
            for fact in sorted(mine - real):
                yield f"{name}: only ours: {fact}"
            for fact in sorted(real - mine):
                yield f"{name}: only Envoy's: {fact}"
        for name, enum in enums(file):
            try:
                theirs = official.FindEnumTypeByName(name)
            except KeyError:
                yield f"{name}: Envoy has no such enum"
                continue
            compared += 1
            mine = {(v.name, v.number) for v in enum.value}
            real = {(v.name, v.number) for v in theirs.values}
            if mine != real:
                yield f"{name}: values differ: {sorted(mine ^ real)}"
    if compared < 100:
        yield f"only {compared} messages and enums were compared"
    print(f"{compared} messages and enums compared")


def main():
    with open(sys.argv[1], "rb") as file:
        ours = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    differences = list(compare(ours))
    for difference in differences:
        print(difference)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())

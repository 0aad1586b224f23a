#!/usr/bin/env python3
"""A collector of OTLP, of nobody's code but protoc's and gRPC's.

otlp_collector.py http|grpc PORTFILE [PORT]: takes spans on a port of 127.0.0.1, written to
PORTFILE, and prints each as a line of JSON: service, name, kind, trace, id, parent, status,
tags, and the headers of the request that brought it. Exit status 77: no grpcio.
"""
import ast
import concurrent.futures
import http.server
import json
import os
import pathlib
import subprocess
import sys

API = pathlib.Path(__file__).resolve().parents[2] / "lib" / "api"
PROTO = "opentelemetry/proto/collector/trace/v1/trace_service.proto"
REQUEST = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest"


def parse(lines):
    """protoc's text as (field, value) pairs; the value of a message is a list of them."""
    fields = []
    for line in lines:
        line = line.strip()
        if line == "}":
            break
        if line.endswith("{"):
            fields.append((line[:-1].strip(), parse(lines)))
        else:
            name, value = line.split(": ", 1)
            fields.append((name, ast.literal_eval("b" + value) if value[0] == '"' else value))
    return fields


def decode(body):
    text = subprocess.run(["protoc", f"-I{API}", f"--decode={REQUEST}", PROTO], input=body,
                          capture_output=True, check=True).stdout.decode()
    return parse(iter(text.splitlines()))


def each(fields, name):
    return (value for field, value in fields if field == name)


def one(fields, name, otherwise):
    return next(each(fields, name), otherwise)


def tags(fields):
    result = {}
    for attribute in each(fields, "attributes"):
        value = one(attribute, "value", [])
        result[attribute[0][1].decode()] = one(value, "string_value", b"").decode()
    return result


def tell(body, headers):
    for resource in each(decode(body), "resource_spans"):
        service = tags(one(resource, "resource", []))
        for scope in each(resource, "scope_spans"):
            for span in each(scope, "spans"):
                print(json.dumps({
                    "service": service["service.name"],
                    "sdk": service["telemetry.sdk.name"],
                    "name": one(span, "name", b"").decode(),
                    "kind": one(span, "kind", ""),
                    "trace": one(span, "trace_id", b"").hex(),
                    "id": one(span, "span_id", b"").hex(),
                    "parent": one(span, "parent_span_id", b"").hex(),
                    "status": one(one(span, "status", []), "code", "UNSET"),
                    "ns": int(one(span, "end_time_unix_nano", 0)) -
                          int(one(span, "start_time_unix_nano", 0)),
                    "tags": tags(span),
                    "headers": headers,
                }), flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    def body(self):
        if "content-length" in self.headers:
            return self.rfile.read(int(self.headers["content-length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def do_POST(self):
        body = self.body()
        good = (self.path == "/v1/traces" and
                self.headers["content-type"] == "application/x-protobuf")
        if good:
            tell(body, {name.lower(): value for name, value in self.headers.items()})
        self.send_response(200 if good else 400)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def written(path, port):
    pathlib.Path(path + ".new").write_text(str(port))
    os.rename(path + ".new", path)


def serve_http(path, port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    written(path, server.server_address[1])
    server.serve_forever()


def serve_grpc(path, port):
    try:
        import grpc
    except ImportError:
        print("no grpcio")
        sys.exit(77)

    def export(request, context):
        tell(request, {name: str(value) for name, value in context.invocation_metadata()})
        return b""

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
        "opentelemetry.proto.collector.trace.v1.TraceService",
        {"Export": grpc.unary_unary_rpc_method_handler(export)}),))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    written(path, bound)
    server.wait_for_termination()


if __name__ == "__main__":
    serve = serve_http if sys.argv[1] == "http" else serve_grpc
    serve(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)

#!/usr/bin/env python3
"""gRPC's own client and server, on bytes, against forwarders between them.

grpc_peer.py serve PORTFILE: a server on a port of 127.0.0.1, written there.
grpc_peer.py check PORT [down]: calls every kind of method through PORT and
prints one line a check; exit status 0 all held, 1 some did not, 77 no grpcio.
With `down`: nobody serves behind PORT.
"""
import sys
import threading

try:
    import grpc
except ImportError:
    print("no grpcio")
    sys.exit(77)

from concurrent import futures

LARGE = 3_000_000


class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        method = details.method.rsplit("/", 1)[-1]
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Slow": grpc.unary_unary_rpc_method_handler(self.slow),
            "Down": grpc.unary_stream_rpc_method_handler(self.down),
            "Up": grpc.stream_unary_rpc_method_handler(self.up),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
            "BreakOff": grpc.unary_stream_rpc_method_handler(self.break_off),
        }.get(method)

    def unary(self, request, context):
        context.send_initial_metadata((("x-first", "1"),))
        context.set_trailing_metadata((("x-last", "2"), ("x-bin", b"\0\1")))
        return request

    def fail(self, request, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now")

    def slow(self, request, context):
        threading.Event().wait(5)
        return request

    def down(self, request, context):
        for i in range(int(request)):
            yield str(i).encode()

    def up(self, requests, context):
        return str(sum(int(r) for r in requests)).encode()

    def both(self, requests, context):
        for request in requests:
            yield request.upper()

    def break_off(self, request, context):
        yield b"one"
        context.abort(grpc.StatusCode.DATA_LOSS, "broken off")


def serve(portfile):
    server = grpc.server(futures.ThreadPoolExecutor(8), handlers=(Handler(),),
                         options=(("grpc.max_receive_message_length", -1),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with open(portfile, "w") as file:
        file.write(str(port))
    server.wait_for_termination()


def status_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


def checks(channel):
    def unary(name):
        return channel.unary_unary("/shop.Cart/" + name)
    answer, call = unary("Unary").with_call(b"x" * LARGE, timeout=20)
    yield "unary, 3 MB each way", answer == b"x" * LARGE
    yield "leading metadata", ("x-first", "1") in call.initial_metadata()
    trailing = {key: value for key, value in call.trailing_metadata()}
    yield "trailing metadata", trailing.get("x-last") == "2" and trailing.get("x-bin") == b"\0\1"
    yield "trailers-only answer", status_of(lambda: unary("Fail")(b"", timeout=20)) == (
        "FAILED_PRECONDITION", "not now")
    yield "unknown method", status_of(lambda: unary("None")(b"", timeout=20))[0] == "UNIMPLEMENTED"
    yield "deadline", status_of(lambda: unary("Slow")(b"", timeout=0.3))[0] == "DEADLINE_EXCEEDED"
    down = channel.unary_stream("/shop.Cart/Down")(b"1000", timeout=20)
    yield "server streaming", [int(m) for m in down] == list(range(1000))
    up = channel.stream_unary("/shop.Cart/Up")((str(i).encode() for i in range(1000)), timeout=20)
    yield "client streaming", up == b"499500"
    told = []
    turn = threading.Semaphore(1)

    def words():
        for word in (b"a", b"b", b"c"):
            turn.acquire(timeout=10)
            yield word
    for answer in channel.stream_stream("/shop.Cart/Both")(words(), timeout=20):
        told.append(answer)
        turn.release()
    yield "both streaming, turn by turn", told == [b"A", b"B", b"C"]
    broken = channel.unary_stream("/shop.Cart/BreakOff")(b"", timeout=20)
    yield "a stream broken off by a status", (
        next(broken) == b"one" and status_of(lambda: next(broken)) == ("DATA_LOSS", "broken off"))
    cancelled = channel.unary_stream("/shop.Cart/Down")(b"100000000", timeout=20)
    next(cancelled)
    cancelled.cancel()
    yield "the channel goes on after a cancel", unary("Unary")(b"y", timeout=20) == b"y"


def down_checks(channel):
    call = channel.unary_unary("/shop.Cart/Unary")
    yield "nobody serves: UNAVAILABLE", status_of(lambda: call(b"", timeout=20))[0] == "UNAVAILABLE"


def main():
    if sys.argv[1] == "serve":
        return serve(sys.argv[2])
    channel = grpc.insecure_channel("127.0.0.1:" + sys.argv[2], options=(
        ("grpc.max_receive_message_length", -1),))
    failed = 0
    for name, held in (down_checks if sys.argv[3:] == ["down"] else checks)(channel):
        print("ok" if held else "FAILED", name)
        failed += not held
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

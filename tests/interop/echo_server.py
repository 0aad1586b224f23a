"""Backends that say what they saw, in threads of the caller; also alone:

echo_server.py NAME PORTFILE: one on a port of 127.0.0.1, written there.

The answer is the request as JSON with the backend's name. A header "x-want" of the request
says how to answer: "status=503", "times=2" (the first so many tries of one "x-case" get that
status, the others 200), "delay=0.3", "header=NAME:VALUE", "body=TEXT", all with ";" between.
"""
import collections
import http.server
import json
import random
import socket
import sys
import threading
import time


def unused_port():
    """A port of 127.0.0.1 below those that the kernel gives to connections meanwhile."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "echo"

    def log_message(self, *_):
        pass

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        if self.headers.get("transfer-encoding") == "chunked":
            body = self.chunks()
        want = [w.partition("=")[::2] for w in (self.headers.get("x-want") or "").split(";") if w]
        options = dict(want)
        case = self.headers.get("x-case")
        with self.server.lock:
            self.server.tries[case] += 1
            tried = self.server.tries[case]
            self.server.seen.append((case, self.server.name, self.command, self.path,
                                     [(k.lower(), v) for k, v in self.headers.items()]))
        time.sleep(float(options.get("delay", 0)))
        status = int(options.get("status", 200))
        if tried > int(options.get("times", 1 << 30)):
            status = 200
        text = json.dumps({"backend": self.server.name, "method": self.command, "path": self.path,
                           "headers": [(k.lower(), v) for k, v in self.headers.items()],
                           "body": body.decode("latin-1"), "tries": tried}).encode()
        if "body" in options:
            text = options["body"].encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        for key, value in want:
            if key == "header":
                self.send_header(*value.split(":", 1))
        if status in (204, 304):
            text = b""
        else:
            self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def chunks(self):
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer


class Backend(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name):
        super().__init__(("127.0.0.1", 0), Handler)
        self.name = name
        self.lock = threading.Lock()
        self.tries = collections.Counter()
        self.seen = []
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass  # a client that left


if __name__ == "__main__":
    backend = Backend(sys.argv[1])
    with open(sys.argv[2], "w") as file:
        file.write(str(backend.port))
    threading.Event().wait()

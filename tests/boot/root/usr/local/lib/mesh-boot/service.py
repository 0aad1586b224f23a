"""service.py NAME PORT: answers NAME and the request's fields; a path /ask/HOST
is asked of HOST through web's forwarder. Needs python3-minimal only, which has no
http module."""

import socket
import sys
import threading

NAME, PORT = sys.argv[1], int(sys.argv[2])


def head_of(stream):
    lines = []
    while (line := stream.readline(65536)) not in (b"\r\n", b""):
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    return lines


def ask(host):
    with socket.create_connection(("127.0.0.1", 15001), timeout=10) as forwarder:
        forwarder.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        stream = forwarder.makefile("rb")
        status = head_of(stream)[0].split(" ", 1)[1]
        return status, stream.read()


def serve(connection):
    with connection, connection.makefile("rb") as stream:
        while head := head_of(stream):
            target = head[0].split(" ")[1]
            status, body = "200 OK", "\n".join([NAME, *head[1:], ""]).encode("latin-1")
            if target.startswith("/ask/"):
                status, body = ask(target.removeprefix("/ask/"))
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                               + body)


listener = socket.create_server(("127.0.0.1", PORT), backlog=64)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

#!/usr/bin/env python3
"""reviews: one version of the demo's middle service; it knows nothing of a mesh.

usage: reviews.py PORT VERSION RATINGS_ADDRESS:PORT

GET /reviews   asks http://RATINGS/ratings, with the Host "ratings", and answers
               {"version": "v2", "ratings": {...}}
POST /_mood    the demo's way to make an instance ill, sent to it directly:
               ?status=503 answers so from now on, ?delay=2.5 waits so long,
               with neither it is well again.
"""

import http.client
import json
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANDED_ON = ("x-request-id", "traceparent", "tracestate", "end-user")


class Mood:
    status = 200
    delay = 0.0


class Reviews(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    version = ""
    ratings = ""

    def answer(self, status, body):
        content = (json.dumps(body) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        if Mood.delay:
            time.sleep(Mood.delay)
        if Mood.status != 200:
            self.answer(Mood.status, {"error": "ill", "version": self.version})
            return
        connection = http.client.HTTPConnection(self.ratings, timeout=10)
        try:
            handed_on = {k: self.headers[k] for k in HANDED_ON if k in self.headers}
            connection.request("GET", "/ratings", headers={"Host": "ratings", **handed_on})
            reply = connection.getresponse()
            body = reply.read()
            if reply.status != 200:
                self.answer(reply.status, {"error": "ratings", "version": self.version})
                return
            self.answer(200, {"version": self.version, "ratings": json.loads(body)})
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.answer(502, {"error": str(error), "version": self.version})
        finally:
            connection.close()

    def do_POST(self):
        mood = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        Mood.status = int(mood.get("status", 200))
        Mood.delay = float(mood.get("delay", 0))
        self.answer(200, {"status": Mood.status, "delay": Mood.delay})

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    Reviews.version, Reviews.ratings = sys.argv[2], sys.argv[3]
    Server(("127.0.0.1", int(sys.argv[1])), Reviews).serve_forever()


if __name__ == "__main__":
    main()

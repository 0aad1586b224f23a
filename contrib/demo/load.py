"""A steady load of idempotent requests that counts what came back."""

import collections
import http.client
import threading
import time


class Load:
    """GETs to a Host through a forwarder, `rate` a second over a few connections."""

    THREADS = 4

    def __init__(self, port, host, rate):
        self.port, self.host, self.pause = port, host, self.THREADS / rate
        self.statuses = collections.Counter()  # status, or the exception's name
        self.failures = []  # (seconds since start, what), the first few
        self.started = time.monotonic()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = []

    def start(self):
        self._stop.clear()
        self._threads = [threading.Thread(target=self._run, daemon=True)
                         for _ in range(self.THREADS)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(15)

    def total(self):
        with self._lock:
            return sum(self.statuses.values())

    def failed(self):
        with self._lock:
            return sum(n for status, n in self.statuses.items() if status != 200)

    def wait_for(self, more):
        """Blocks until `more` further requests were answered."""
        target = self.total() + more
        while self.total() < target and not self._stop.wait(0.02):
            pass

    def _run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        while not self._stop.wait(self.pause):
            try:
                connection.request("GET", "/", headers={"Host": self.host})
                reply = connection.getresponse()
                body = reply.read()
                self._count(reply.status, body)
            except (OSError, http.client.HTTPException) as error:
                self._count(type(error).__name__, str(error).encode())
                connection.close()
        connection.close()

    def _count(self, status, body):
        with self._lock:
            self.statuses[status] += 1
            if status != 200 and len(self.failures) < 5:
                self.failures.append((round(time.monotonic() - self.started, 2), status,
                                      body[:120].decode(errors="replace")))

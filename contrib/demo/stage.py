"""The demo's processes and questions: services, `mesh up`, the mesh command."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

CLIENT = 20200  # the client's forwarder, where the load enters the mesh
PROMETHEUS = 20400


class Failed(Exception):
    """What was shown did not hold."""


def check(holds, sentence):
    if not holds:
        raise Failed(sentence)


def wait_until(fact, what, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = fact()
        if value:
            return value
        time.sleep(0.05)
    raise Failed(f"after {seconds} s still not so: {what}")


class Stage:
    def __init__(self, build):
        self.build = Path(build).resolve()
        self.root = Path(tempfile.mkdtemp(prefix="mesh-demo-"))
        self.processes = {}
        self.log = open(self.root / "services.log", "ab")

    # -- services: business processes, each in a process group of its own

    def service(self, name, *command):
        self.processes[name] = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True)

    def reviews(self, name, port, version, outbound):
        self.service(name, sys.executable, HERE / "reviews.py", port, version,
                     f"127.0.0.1:{outbound}")
        self.listening(port)

    def kill_service(self, name):
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def listening(self, port):
        def connect():
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                return False
        wait_until(connect, f"something listens on {port}", 10)

    # -- the mesh

    def up(self):
        shutil.copytree(HERE / "mesh", self.root / "mesh")
        process = subprocess.Popen(
            [self.build / "mesh", "up", self.root / "mesh"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=open(self.root / "mesh-up.log", "ab"), text=True,
            start_new_session=True)  # Ctrl-C is for the demo, which then stops it in order
        self.processes["mesh up"] = process
        for line in process.stdout:
            if line.strip() == "ready":
                return
        raise Failed(f"mesh up ended with {process.wait()} before it was ready")

    def mesh(self, *arguments, stdin=None, status=0):
        """Runs a mesh command; its output, or Failed where the exit status is another."""
        command = [str(self.build / "mesh"), *map(str, arguments), "--run-dir",
                   str(self.root / "mesh/run")]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
        if done.returncode != status:
            raise Failed(f"mesh {' '.join(map(str, arguments))}: exit status {done.returncode}, "
                         f"expected {status}: {done.stderr.strip() or done.stdout.strip()}")
        return done

    def mesh_json(self, *arguments):
        return [json.loads(line)
                for line in self.mesh(*arguments, "-o", "json").stdout.splitlines()]

    def apply(self, text):
        """Applies YAML and waits until it is in force; the command's last words."""
        done = self.mesh("apply", "-f", "-", "--wait", stdin=text)
        return (done.stdout + done.stderr).strip().splitlines()

    def pid_of(self, program, name=None):
        """The pid of a child of mesh up."""
        up = self.processes["mesh up"].pid
        children = Path(f"/proc/{up}/task/{up}/children").read_text().split()
        for child in children:
            try:
                command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if Path(command[0].decode()).name != program:
                continue
            if name is None or any(Path(word.decode()).stem == name for word in command[1:]):
                return int(child)
        return None

    def kill_child(self, program, name=None):
        pid = self.pid_of(program, name)
        check(pid is not None, f"{program} {name or ''} runs")
        os.kill(pid, signal.SIGKILL)
        return pid

    # -- questions to the data plane

    def get(self, port, host, path="/", headers=None, timeout=10):
        """(status, body) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Host": host, **(headers or {})})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def prometheus(self):
        """[(labels, value)] of istio_requests_total."""
        status, page = self.get(PROMETHEUS, "localhost", "/metrics")
        check(status == 200, "the Prometheus page answers 200")
        rows = []
        for line in page.decode().splitlines():
            if line.startswith("istio_requests_total{"):
                labels, value = line.rsplit("} ", 1)
                rows.append((dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)))
        return rows

    # -- the end

    def close(self):
        up = self.processes.pop("mesh up", None)
        if up is not None:
            up.terminate()
            try:
                up.wait(30)
            except subprocess.TimeoutExpired:
                up.kill()
        for name in list(self.processes):
            self.kill_service(name)
        self.log.close()

# SPDX-License-Identifier: MIT
"""The servers that the bench compares: each is started on a port of the kernel's choice, bound to
the servers' CPU, and ended with everything below it."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import client
import processes

HERE = Path(__file__).resolve().parent
BIN_DIR = Path(os.environ.get("BATON_BIN_DIR", HERE.parents[1] / "build" / "bin")).resolve()
SERVER_CPU = 0
START_SECS = 20.0

BATON_CONFIG = """\
control = "{directory}/control.sock"
limits {{ connections = {connections}  {limits} }}
listen "127.0.0.1:0" {{}}
pool "bench" {{
	command = {{"{command}"}}
	children = {children}
	capacity = {capacity}
	{pool}
}}
route "/" {{ pool = "bench" }}
"""


class Server:
    """One server process tree. `with baton(...) as server:` has server.port and server.pid."""

    pinned = True  # False: it may use every CPU

    def __init__(self, name, argv, port_pattern=r"port=(\d+)", ready_pattern=None, env=None,
                 directory=None):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.port_pattern = re.compile(port_pattern)
        self.ready_pattern = re.compile(ready_pattern or port_pattern)
        self.env = env
        self.directory = Path(directory or tempfile.mkdtemp(prefix="baton-bench-"))
        self.process = None
        self.port = None

    def __enter__(self):
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                preexec_fn=(lambda: processes.pin_self(SERVER_CPU)) if self.pinned else None)
        try:
            self.port = int(self._wait(self.port_pattern)[1])
            self._wait(self.ready_pattern)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def log(self):
        with open(self.directory / "log", encoding="utf-8", errors="replace") as log:
            return log.read(1 << 20)

    def _wait(self, pattern):
        end = time.monotonic() + START_SECS
        while time.monotonic() < end and self.process.poll() is None:
            match = pattern.search(self.log())
            if match:
                return match
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} did not start:\n{self.log()[-2000:]}")

    @property
    def pid(self):
        return self.process.pid

    def tree(self):
        return processes.tree(self.pid)

    def children(self):
        return self.tree()[1:]

    def cpu(self):
        """{pid: nanoseconds}, when the server has come to rest."""
        return processes.settled_cpu(self.tree())

    def stop(self):
        pids = self.tree() if self.process.poll() is None else []
        if pids:
            self.process.send_signal(signal.SIGQUIT if self.name == "baton" else signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        processes.stop_all(pids[1:])
        shutil.rmtree(self.directory, ignore_errors=True)


def have_baton():
    return (BIN_DIR / "baton").exists() and (BIN_DIR / "baton-echo").exists()


def baton(children, command="baton-echo", capacity=16000, connections=60000, pool="", limits=""):
    """pool, limits: more lines for them."""
    directory = Path(tempfile.mkdtemp(prefix="baton-bench-"))
    config = directory / "baton.conf"
    config.write_text(BATON_CONFIG.format(
        directory=directory, connections=connections, children=children, capacity=capacity,
        command=BIN_DIR / command, pool=pool, limits=limits), encoding="utf-8")
    return Server("baton", [BIN_DIR / "baton", "serve", "-c", config], directory=directory,
                  port_pattern=r"event=listening .*?address=\"?127\.0\.0\.1:(\d+)",
                  ready_pattern=r"event=ready\b")


def floor(children, *words):
    return Server("floor", [BIN_DIR / "baton-floor", "--children", children, *words])


def raw():
    return Server("raw", [BIN_DIR / "baton-raw"])


def have_lws():
    """Is libwebsockets' server there, and the plugin for its loop?"""
    program = BIN_DIR / "baton-lws-bench"
    if not program.exists():
        return False
    try:
        with lws():
            return True
    except RuntimeError:
        return False


def lws(*words):
    return Server("lws", [BIN_DIR / "baton-lws-bench", *words])


def node_modules():
    """The directory that has ws, or None; NODE_PATH first."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "baton"
    places = os.environ.get("NODE_PATH", "").split(":") + [
        cache / "npm" / "node_modules", cache / "node" / "node_modules"]
    if shutil.which("node") is None:
        return None
    return next((str(place) for place in places if place and (Path(place) / "ws").is_dir()), None)


def _node(name, script, *args):
    env = dict(os.environ, NODE_PATH=node_modules() or "")
    return Server(name, ["node", HERE / "node" / script, *args], env=env)


def node_fork(children):
    return _node("node fork", "fork.js", children)


def node_ws(*words):
    return _node("node ws", "ws.js", *words)


def send_text(port, text):
    """Opens one WebSocket and sends one text message; gives the socket, which stays open."""
    sock, _ = client.connect(port)
    sock.sendall(client.frame(client.FIN | client.TEXT, text.encode()))
    return sock

# SPDX-License-Identifier: MIT
"""What tests of faults need: a look into /proc, the control socket without a program between,
many clients at once, and the configuration of a pool that does wrong."""

import json
import os
import re
import selectors
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

import raw
import wsclient
from gateway import BATON, BIN_DIR, TIMEOUT_SECS

TICK_SECS = 0.005
PATIENT = 'offer_timeout = "10s"'  # of a pool: no stall of the machine moves an offer
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
IS_SANITIZED = b"__asan_init" in BATON.read_bytes()
OPEN_LINE = re.compile(
    r"event=open .*?client=(\S+) .*pool=(\S+) child=(\d+) pid=(\d+) wait_ms=(\d+)")


def pool(command="baton-fault", children=2, options="", route="", name="fault", drain="200ms",
         stop="300ms"):
    """A pool that ends soon when it is told to, and the route to it: /NAME."""
    words = ", ".join(f'"{word}"' for word in ([command] if isinstance(command, str) else command))
    return f"""
pool "{name}" {{
    command = {{{words}}}  children = {children}
    drain_timeout = "{drain}"  stop_timeout = "{stop}"  {options}
}}
route "/{name}" {{ pool = "{name}"  {route} }}
"""


def need_programs_for_others():
    """Skips when another user may not run our programs where this tree lies."""
    if not all(path.stat().st_mode & 1 for path in [BIN_DIR / "baton-echo", *BIN_DIR.parents]):
        pytest.skip("SKIPPED: the programs lie where another user may not look")


def wait_until(look, what, timeout=TIMEOUT_SECS):
    """The first true value of look(), which is asked again and again."""
    deadline = time.monotonic() + timeout
    tick = threading.Event()
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        tick.wait(TICK_SECS)
    return found


def wait_ticks(secs):
    """For what is about time itself: nothing tells when a process that stands still is late."""
    end = time.monotonic() + secs
    wait_until(lambda: time.monotonic() > end, f"{secs} s")


# -- processes -------------------------------------------------------------------------------


def descriptors(pid):
    """{number: what it is} of a process."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            pass
    return found


def cpu_secs(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def rss_bytes(pid):
    """Exact, unlike statm, which older kernels bring up to date now and then."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return int(re.search(r"^Rss: +(\d+) kB$", rollup, re.MULTILINE)[1]) * 1024


class Watch:
    """What a process has used since the watch began."""

    def __init__(self, pid):
        self.pid, self.began, self.cpu = pid, time.monotonic(), cpu_secs(pid)

    def load(self):
        """CPU time per wall time."""
        return (cpu_secs(self.pid) - self.cpu) / (time.monotonic() - self.began)


class Stopped:
    """`with Stopped(pid):` the process stands still in it; it may die there."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        try:
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


# -- the gateway's own view ------------------------------------------------------------------


def ask(gateway, command, timeout=TIMEOUT_SECS):
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(timeout)
        control.connect(str(gateway.control))
        control.sendall(command.encode() + b"\n")
        parts = []
        while part := control.recv(65536):
            parts.append(part)
        return b"".join(parts)


def status(gateway):
    return json.loads(ask(gateway, "status"))


def children(gateway, name="fault"):
    return next(p for p in status(gateway)["pools"] if p["name"] == name)["children"]


def pids(gateway, name="fault"):
    """Of the children that are ready, by index."""
    return [c["pid"] for c in children(gateway, name) if c["state"] == "ready"]


def wait_ready(gateway, count, name="fault", timeout=TIMEOUT_SECS):
    """The pids of the children once so many of them are ready."""
    def look():
        found = pids(gateway, name)
        return found if len(found) == count else None
    return wait_until(look, f"{count} ready children of {name}\n{gateway.log()}", timeout)


def wait_connections(gateway, **wanted):
    """Until the counts of the status are these."""
    def look():
        counts = status(gateway)["connections"]
        return all(counts[key] == value for key, value in wanted.items())
    wait_until(look, f"connections {wanted}\n{gateway.log()}")


def opened(gateway, client):
    """(pid, wait_ms) of the child that took this client, by the only line that says so."""
    address = getattr(client, "connection", client).client
    gateway.wait_log(rf"event=open .*client={re.escape(address)} ")
    found = [m for m in map(OPEN_LINE.search, list(gateway.lines)) if m and m[1] == address]
    assert len(found) == 1, f"taken {len(found)} times"
    return int(found[0][4]), int(found[0][5])


def waits(gateway, count, since=0):
    """wait_ms of this many hand-overs, shortest first."""
    def look():
        lines = list(gateway.lines)[since:]
        found = sorted(int(m[5]) for m in map(OPEN_LINE.search, lines) if m)
        return found if len(found) >= count else None
    return wait_until(look, f"{count} clients handed over")


# -- clients ---------------------------------------------------------------------------------


class Client(raw.Connection):
    """Sends an upgrade request, with bytes behind it, and does not wait for the answer."""

    living = []

    def __init__(self, gateway, path="/fault", early=b"", fields=(), source=""):
        super().__init__(gateway.address(), source=source)
        Client.living.append(self)
        self.send(raw.upgrade_head(path, fields=fields) + early)
        self.status = 0

    def close(self):
        super().close()
        if self in Client.living:
            Client.living.remove(self)

    def answer(self):
        """The answer's status, whose bytes stay where they are; None: just the end of file."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                assert self.buffer == b"", f"an end inside of a head: {self.buffer!r}"
                return None
        return self.note()

    def note(self):
        self.status = int(self.buffer.split(b" ", 2)[1])
        return self.status

    def websocket(self):
        """Checks the 101, and that there is just one: what follows must be frames."""
        return wsclient.WebSocket.over(self)

    def refusal(self):
        """The whole answer of one that was refused, and that it is just one."""
        response = self.read_response()
        assert response.raw.count(b"HTTP/1.1 ") == 1, response.raw
        return response


def answers(clients, secs=2.0):
    """The status of each (None: end of file), all within secs from now. A reset raises."""
    deadline = time.monotonic() + secs
    found = {}
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        while len(found) < len(clients):
            ready = selector.select(max(0, deadline - time.monotonic()))
            assert ready, f"{len(clients) - len(found)} of {len(clients)} clients hear nothing"
            for key, _ in ready:
                client = key.data
                if not client.more():
                    assert client.buffer == b"", client.buffer
                    found[client] = None
                elif b"\r\n\r\n" in client.buffer:
                    found[client] = client.note()
                else:
                    continue
                selector.unregister(client.socket)
    return [found[client] for client in clients]


def close_all():
    for client in list(Client.living):
        client.close()

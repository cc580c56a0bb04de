# SPDX-License-Identifier: MIT
"""Ten thousand clients that never finish their heads, and one who does: what they cost the parent,
and how long he waits.

Memory is that of the process, private and resident; what the kernel holds for the sockets themselves
is not in it, and is the same for any server.
"""

import errno
import resource
import socket
import threading
import time

import generator
import processes
import servers

HEADS = 10_000
SOURCES = 40           # addresses that they come from
DRIBBLE_SECS = 2.0     # between two bytes of one head
RATE = 200             # clean upgrades a second
FINISHED = 100         # heads that are finished in the end, to see that they were waited for
SETUP_SECS = 30
HEAD_LIMIT, P99_LIMIT_MS = 1024, 50

START = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
END = (b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
       b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


class SlowHeads:
    """`with SlowHeads(port, count) as heads:` holds them, and adds a byte to each now and then."""

    def __init__(self, port, count):
        self.port, self.count = port, count
        self.sockets, self.lost = [], 0
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._dribble, daemon=True)

    def __enter__(self):
        end = time.monotonic() + SETUP_SECS
        for number in range(self.count):
            if time.monotonic() > end:
                raise RuntimeError(f"only {number} slow heads within {SETUP_SECS} s")
            source = (f"127.0.2.{1 + number % SOURCES}", 0)
            sock = socket.create_connection(("127.0.0.1", self.port), 10, source)
            sock.sendall(START)
            sock.setblocking(False)
            self.sockets.append(sock)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
        for sock in self.sockets:
            sock.close()

    def _dribble(self):
        processes.pin_self(generator.LOAD_CPU)
        step_secs, at = 0.01, 0
        per_step = max(1, round(self.count * step_secs / DRIBBLE_SECS))
        while not self.is_over.wait(step_secs):
            for _ in range(per_step):
                self._send(self.sockets[at % self.count], b"x")
                at += 1

    def _send(self, sock, data):
        try:
            sock.send(data)
        except OSError as error:
            self.lost += error.errno != errno.EAGAIN

    def finish_some(self, count):
        """How many of so many heads get their 101 when they end."""
        self.is_over.set()
        self.thread.join()
        good = 0
        for sock in self.sockets[:count]:
            sock.setblocking(True)
            sock.settimeout(10)
            try:
                sock.sendall(END)
                good += sock.recv(64).startswith(b"HTTP/1.1 101 ")
            except OSError:
                pass
        return good


def _room_for(count):
    """As many as descriptors are allowed for, here and in the parent."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return count if most == resource.RLIM_INFINITY else min(count, most - 1000)


def _upgrades(server, options):
    return generator.run("paced", server, rate=RATE, seconds=max(5, options.seconds * 4),
                         timeout=10)


def slow(options, report):
    if options.no_baton:
        return
    count = _room_for(HEADS)
    with servers.baton(2, limits='head_timeout = "5m"') as server:
        generator.run("upgrade", server, count=200, connections=8)
        server.cpu()
        fds, before = processes.fd_count(server.pid), processes.memory(server.pid)
        alone = _upgrades(server, options)
        with SlowHeads(server.port, count) as heads:
            time.sleep(DRIBBLE_SECS)
            after, held = processes.memory(server.pid), processes.fd_count(server.pid) - fds
            cpu, begin = processes.cpu_ns(server.pid), time.monotonic()
            beside = _upgrades(server, options)
            load = (processes.cpu_ns(server.pid) - cpu) / 1e9 / (time.monotonic() - begin)
            finished = heads.finish_some(FINISHED)
        end = time.monotonic() + 5
        while time.monotonic() < end and processes.fd_count(server.pid) != fds:
            time.sleep(0.05)
        left = processes.fd_count(server.pid) - fds
    report.keep("slow", {"alone": alone, "beside": beside, "before": before, "after": after,
                         "held": held, "lost": heads.lost, "parent_load": load})
    size = max(after[kind] - before[kind] for kind in ("Private", "Rss")) / count
    report.add("slow", "half heads held", held, limit=f">= {count:,}", ok=held >= count)
    report.add("slow", "parent, bytes a half head", size, limit=f"<= {HEAD_LIMIT} B",
               ok=size <= HEAD_LIMIT)
    report.add("slow", "clean 101 after ms, p99", beside["upgrade"]["p99_ms"],
               alone["upgrade"]["p99_ms"], limit=f"<= {P99_LIMIT_MS} ms",
               ok=beside["upgrade"]["p99_ms"] <= P99_LIMIT_MS, beside_name="alone")
    report.add("slow", "clean 101 after ms, worst", beside["upgrade"]["max_ms"],
               alone["upgrade"]["max_ms"], beside_name="alone")
    report.add_at_most("slow", "clean upgrades that failed",
                       generator.failures(alone) + generator.failures(beside), 0)
    report.add("slow", f"heads finished at last, of {FINISHED}", finished, limit=f">= {FINISHED}",
               ok=finished >= FINISHED)
    report.add("slow", f"parent's CPU, % of a core ({count / DRIBBLE_SECS:,.0f} bytes/s)",
               100 * load)
    report.add_at_most("slow", "descriptors left in the parent", left, 0)

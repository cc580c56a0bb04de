# SPDX-License-Identifier: MIT
"""What a gateway must outlive: odd dispositions of signals, a shortage of descriptors while
children die, orphans of others, last words of the dead, clients that say or want less."""

import errno
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

import raw
from gateway import ECHO, REPOSITORY, all_processes, process_info
from probes import (Client, Stopped, Watch, answers, descriptors, opened, pids, pool, status,
                    wait_connections, wait_ready, wait_ticks, wait_until)

LITTLE = 64
SOON_SECS = 2.0
SUPPORT = REPOSITORY / "tests" / "support"
HTTP_CHILD = [sys.executable, "-B", str(SUPPORT / "http_child.py")]
PYTHON_CHILD = [sys.executable, "-B", str(SUPPORT / "python_child.py")]
HALF_HEAD = b"GET /fault HTTP/1.1\r\nHost: 127.0.0.1\r\n"
REST = raw.upgrade_head("/fault")[len(HALF_HEAD):]
PLAIN_HEAD = HALF_HEAD + b"\r\n"
IGNORED_SIGNALS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def need(*prefix):
    """Skips unless this can run a command, here and by us; gives it back."""
    try:
        done = subprocess.run([*prefix, "true"], capture_output=True, text=True, timeout=10,
                              check=False)
    except FileNotFoundError:
        pytest.skip(f"SKIPPED: there is no {prefix[0]}")
    if done.returncode != 0:
        pytest.skip(f"SKIPPED: {' '.join(prefix)} does not work here: {done.stderr.strip()}")
    return list(prefix)


def children_of(pid):
    """{pid: state} of all its children, zombies among them."""
    return {p: info[2] for p, info in all_processes().items() if info[0] == pid}


def name_of(pid):
    return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()


# -- signals ---------------------------------------------------------------------------------


def test_dead_child_is_replaced_also_where_sigchld_was_ignored_at_the_start(start):
    gateway = start(pool("baton-echo"), prefix=need("env", "--ignore-signal=CHLD"))
    victim, other = wait_ready(gateway, 2)
    os.kill(victim, signal.SIGKILL)
    gateway.wait_event("child-exit", pid=victim, timeout=SOON_SECS)
    assert other in (now := wait_ready(gateway, 2, timeout=5)) and victim not in now
    watch = Watch(gateway.pid)
    wait_ticks(0.4)
    assert watch.load() < 0.3
    assert len(gateway.events("child-exit")) == 1
    gateway.stop(timeout=5)


def test_signals_that_come_before_the_configuration_is_read_do_not_kill(start, tmp_path):
    path = tmp_path / "baton.conf"
    os.mkfifo(path)
    gateway = start(args=["serve", "-c", path], wait_ready=False)
    config = wait_until(lambda: open_for_writing(path), "the gateway reads its configuration")
    for number in IGNORED_SIGNALS:
        os.kill(gateway.pid, number)
    with os.fdopen(config, "w", encoding="utf-8") as file:
        file.write(f'control = "{gateway.control}"\nlisten "127.0.0.1:0" {{ }}\n' + ECHO)
    gateway.wait_event("ready", timeout=5)


def open_for_writing(fifo):
    """None while nobody has it open to read it."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        assert error.errno == errno.ENXIO, error
        return None


def test_no_start_of_20_is_ended_by_signals_that_come_all_through_it(start):
    for _ in range(20):
        gateway = start(pool("baton-echo", children=1), wait_ready=False)
        wait_until(lambda pid=gateway.pid: is_armed(pid), "it handles its signals", timeout=5)
        while not is_ready(gateway):
            for number in IGNORED_SIGNALS:
                os.kill(gateway.pid, number)
            assert gateway.process.poll() is None, gateway.log()
        gateway.stop(timeout=5)


def is_ready(gateway):
    """By the control socket: who reads the log may miss lines in such a flood."""
    try:
        return bool(pids(gateway))
    except (FileNotFoundError, ConnectionRefusedError):
        return False


def is_armed(pid):
    """Has none of these signals its default any more? Before main nobody can see to that."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        state = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    assert "SigBlk" in state and not state["State"].startswith("Z"), "it has ended"
    held = int(state["SigBlk"], 16) | int(state["SigIgn"], 16) | int(state["SigCgt"], 16)
    return all(held >> (number - 1) & 1 for number in IGNORED_SIGNALS)


# -- descriptors -----------------------------------------------------------------------------


def send_heads(gateway, count, head):
    clients = []
    for _ in range(count):
        clients.append(raw.Connection(gateway.address()))
        clients[-1].send(head)
    return clients


def test_children_that_die_while_strangers_hold_all_descriptors_come_back(serve):
    prefix = need("prlimit", f"--nofile={LITTLE}:{LITTLE}")
    gateway = serve('limits { head_timeout = "1m" }\n' + pool("baton-echo"), prefix=prefix)
    victims = wait_ready(gateway, 2)
    clients = send_heads(gateway, 100, HALF_HEAD)
    gateway.wait_event("accept-paused")
    for _ in range(2):  # the second time with what the first death left to strangers
        mark = gateway.mark()
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        started = gateway.wait_events("child-ready", 2, since=mark, timeout=5)
        victims = [int(event["pid"]) for event in started]
    clients[0].send(REST)
    assert clients[0].read_head().status == 101, "who came first is served in the shortage"
    assert not gateway.events("pool-failed") and len(gateway.events("ready")) == 1
    for client in clients:
        client.close()
    late = Client(gateway)
    assert answers([late]) == [101]


def test_want_of_descriptors_of_its_own_never_makes_a_pool_failed(serve):
    gateway = serve(pool("baton-echo"))
    before = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
    victims = wait_ready(gateway, 2)
    gateway.wait_events("child-ready", 2)
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    mark, watch = gateway.mark(), Watch(gateway.pid)
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
        gateway.wait_event("child-exit", pid=victim)
    wait_ticks(2.0)
    assert watch.load() < 0.3
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, before)
    gateway.wait_events("child-ready", 2, since=mark)
    assert not gateway.events("pool-failed")
    tries = len(gateway.events("child-start-failed"))
    assert tries > 4, "no delay as for bad runs"
    assert tries < 50, "a line for each try is too many"
    assert answers([Client(gateway)]) == [101]


# -- plain HTTP ------------------------------------------------------------------------------


def test_plain_client_that_ends_its_side_while_it_waits_gets_its_answer(serve):
    gateway = serve(pool(HTTP_CHILD, children=1, options="capacity = 1", route="http = true"))
    with Stopped(pids(gateway)[0]):
        clients = send_heads(gateway, 6, PLAIN_HEAD)
        wait_connections(gateway, waiting=5)
        for client in clients:
            client.end()
        late = send_heads(gateway, 2, PLAIN_HEAD)
        for client in late:
            client.end()
        wait_ticks(0.3)  # a wait is short or long: only the long one is watched
        assert status(gateway)["connections"]["left"] == 0
    for client in clients + late:
        assert client.read_response().status == 200
        client.close()
    assert status(gateway)["connections"]["left"] == 0


def test_plain_client_that_resets_while_it_waits_gives_its_place_up(serve):
    gateway = serve(pool(HTTP_CHILD, children=1, options="capacity = 1", route="http = true"))
    with Stopped(pids(gateway)[0]):
        clients = send_heads(gateway, 6, PLAIN_HEAD)
        wait_connections(gateway, waiting=5)
        for client in clients[1:]:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        wait_connections(gateway, waiting=0, left=5)
    clients[0].end()
    assert clients[0].read_response().status == 200
    clients[0].close()


HEAD_REFUSALS = [
    ("/nothing", "", 404), ("/only", "", 426), ("/refuses", "", 400), ("/full", "", 503),
    ("/only", "Content-Length: x\r\n", 400),
]


def test_refusal_of_head_is_that_of_get_without_its_body(serve):
    plain = "http = true"
    gateway = serve(
        pool("baton-echo", children=1, name="only") +
        pool(PYTHON_CHILD, children=1, name="refuses", route=plain) +
        pool("baton-echo", children=1, name="full", route=plain,
             options='capacity = 1  queue_timeout = "150ms"'))
    assert answers([Client(gateway, "/full")]) == [101]
    wrong = []
    for index, (path, fields, expected) in enumerate(HEAD_REFUSALS):
        rest = f" {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode()
        of_get = raw.request(gateway.address(), b"GET" + rest)
        with raw.Connection(gateway.address()) as client:
            client.send(b"HEAD" + rest)
            raw.get(gateway.address(), "/nothing")  # while it waits another head is looked at
            of_head = client.read_response(no_body=True)
        assert of_get.status == expected and of_get.body, (index, path, fields, of_get)
        assert of_head.status == expected, (index, path, fields, of_head)
        assert of_head.headers.get("content-length") in (None, str(len(of_get.body)))
        if of_head.body:
            wrong.append((index, path, fields, of_head.body))
    assert not wrong


# -- what children say -----------------------------------------------------------------------

LAST_WORDS = f"""
import os, signal, sys
sys.path.insert(0, {str(SUPPORT)!r})
from python_child import CONNECTION, LOG, REFUSED, Child, write_pairs

class Dying(Child):
    def handle_message(self, kind, ident, pairs, sockets, flags):
        if kind == CONNECTION:
            os.kill(os.getppid(), signal.SIGSTOP)  # it finds words and death at the same time
            for _ in range(3):
                self.send(LOG, payload=write_pairs(TEXT="farewell"))
            self.send(REFUSED, ident, write_pairs(STATUS=403))
            os._exit(0)
        super().handle_message(kind, ident, pairs, sockets, flags)

Child.log = lambda *_: None
Dying(int(os.environ.pop("BATON_FD"))).run()
"""


def test_refusal_with_a_status_counts_also_from_a_child_that_died_behind_it(start, tmp_path):
    path = tmp_path / "dying.py"
    path.write_text(LAST_WORDS, encoding="utf-8")
    gateway = start(pool([sys.executable, "-B", str(path)]))
    running = set(wait_ready(gateway, 2))
    client = Client(gateway)
    try:
        wait_until(lambda: "Z" in children_of(gateway.pid).values(), "a child has died", timeout=5)
    finally:
        os.kill(gateway.pid, signal.SIGCONT)
    assert client.refusal().status == 403
    assert gateway.wait_event("refuse", client=client.client)["reason"] == "by-child"
    dead = gateway.wait_event("child-exit")
    assert int(dead["pid"]) in running and dead["status"] == "0"
    assert len(gateway.events("child-exit")) == 1, "nobody else was asked"
    client.close()


def test_client_without_room_is_offered_again_long_before_the_next_ping_interval(serve):
    gateway = serve(pool(children=1, options='ping_interval = "1m"  queue_timeout = "1m"'))
    client = Client(gateway, f"/fault?fault=refuse&once={gateway.directory}/refuse")
    assert answers([client], SOON_SECS) == [101]
    assert not gateway.events("refuse")
    told = gateway.wait_event("child-full")
    assert (told["pid"], told["connections"]) == (str(pids(gateway)[0]), "0")
    client.websocket().echo("there was room")
    assert len(gateway.events("child-full")) == 1


def test_child_that_has_room_again_is_soon_tried_though_no_connection_closed(serve):
    gateway = serve(pool("baton-echo", children=1,
                         options='ping_interval = "1m"  queue_timeout = "1m"'))
    child = pids(gateway)[0]
    limit = resource.prlimit(child, resource.RLIMIT_NOFILE)
    resource.prlimit(child, resource.RLIMIT_NOFILE, (max(descriptors(child)) + 2, limit[1]))
    first = Client(gateway)
    assert answers([first], SOON_SECS) == [101]
    second = Client(gateway)
    told = gateway.wait_event("child-full", timeout=SOON_SECS)
    assert (told["pid"], told["connections"]) == (str(child), "1")
    parent, poor = Watch(gateway.pid), Watch(child)
    wait_ticks(0.4)
    assert parent.load() < 0.3 and poor.load() < 0.3
    assert len(gateway.events("child-full")) < 20, "a line for each offer is too many"
    resource.prlimit(child, resource.RLIMIT_NOFILE, limit)
    third = Client(gateway)
    assert answers([third], SOON_SECS) == [101]
    assert opened(gateway, third)[0] == child
    assert answers([second], SOON_SECS) == [101], "one child alone has said that it has no room"
    first.websocket().echo("all the time")


# -- process 1 -------------------------------------------------------------------------------


def test_gateway_as_process_1_buries_the_orphans_of_others(start):
    orphan = "(setsid sleep 1000 3<&- >/dev/null 2>&1 &)"
    gateway = start(pool(["sh", "-c", f"{orphan}; exec baton-echo"]),
                    prefix=need("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"))
    inner = next(iter(children_of(gateway.pid)))
    try:
        check_burials(gateway, inner)
    finally:
        os.kill(inner, signal.SIGTERM)  # unshare passes none on
    assert gateway.process.wait(5) == 0


def check_burials(gateway, inner):
    echoes, orphans = wait_family(inner)
    os.kill(orphans[0], signal.SIGKILL)
    wait_until(lambda: process_info(orphans[0]) is None, "an orphan's burial", timeout=5)
    with Stopped(inner):  # deaths of both kinds, which are one signal
        victims = [*echoes, orphans[1]]
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        wait_until(lambda: all(process_info(v)[2] == "Z" for v in victims), "all dead", timeout=5)
    wait_until(lambda: not any(map(process_info, victims)),
               f"all burials of children {echoes} and orphan {victims[-1]}", timeout=3)
    gateway.wait_events("child-exit", 2, signal=9)
    echoes, orphans = wait_family(inner)
    assert not set(echoes) & set(victims)
    client = Client(gateway)
    assert answers([client]) == [101]
    client.close()


def wait_family(pid):
    """Its two children and the two orphans that it was given; there is nobody else."""
    def look():
        names = {child: name_of(child) for child, state in children_of(pid).items()
                 if state != "Z"}
        found = [[c for c, name in names.items() if name == wanted]
                 for wanted in ("baton-echo", "sleep")]
        return found if [len(f) for f in found] == [2, 2] == [2, len(names) - 2] else None
    return wait_until(look, f"two children and two orphans of {pid}", timeout=5)

# SPDX-License-Identifier: MIT
"""When something runs out: descriptors of the gateway, of a child, in flight; room in the
ledger; readers of the log and of the control socket. What cannot be done now is done later, without
a spin, and nobody else is delayed."""

import os
import resource
import signal
import socket
import threading
import time

import pytest

import raw
import wsclient
from gateway import Gateway
from probes import (PATIENT, Client, Watch, answers, ask, cpu_secs, descriptors,
                    need_programs_for_others, opened, pids, pool, status, wait_connections,
                    wait_ready, wait_ticks, wait_until)

LITTLE = 64
SPARE_SLOTS = 1024  # for clients that are refused because the gateway is full
STRANGER = 64999  # a user of nobody else: what is in flight is counted by user
HALF_HEAD = b"GET /fault HTTP/1.1\r\nHost: 127.0.0.1\r\n"
REST = raw.upgrade_head("/fault")[len(HALF_HEAD):]
PATIENT_HEADS = 'limits { head_timeout = "1m" }\n'
AS_STRANGER = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups",
               "prlimit", f"--nofile={LITTLE}:{LITTLE}"]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")


class Half(Client):
    """Says its piece in two parts; the test sends the second, REST."""

    def __init__(self, gateway):
        raw.Connection.__init__(self, gateway.address())
        Client.living.append(self)
        self.send(HALF_HEAD)


def half_heads(gateway, count):
    return [Half(gateway) for _ in range(count)]


def load_of_half_a_second(gateway):
    watch = Watch(gateway.pid)
    wait_ticks(0.5)
    return watch.load()


def set_nofile(pid, limit):
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    return before


# -- descriptors of the gateway --------------------------------------------------------------


def test_300_clients_with_64_descriptors_pause_accepting_and_all_recovers(serve):
    gateway = serve(PATIENT_HEADS + pool("baton-echo", options="capacity = 30"),
                    prefix=["prlimit", f"--nofile={LITTLE}:{LITTLE}"])
    served = [Client(gateway) for _ in range(10)]
    assert answers(served) == [101] * 10
    clients = half_heads(gateway, 300)
    paused = gateway.wait_event("accept-paused")
    assert paused["reason"] == "descriptors are kept for children"
    assert load_of_half_a_second(gateway) < 0.3
    for client in served:
        client.websocket().echo("as ever")
    for client in clients[:-40]:
        client.close()
    for client in clients[-40:]:
        client.send(REST)
    assert answers(clients[-40:], 5) == [101] * 40
    for client in clients[-40:]:
        client.close()
    pauses = status(gateway)["accept_pauses"]
    Client(gateway).websocket().echo("all is well again")
    assert status(gateway)["accept_pauses"] == pauses > 3
    assert len(gateway.events("accept-paused")) < pauses, "one line a second is enough"


def test_control_client_in_a_shortage_does_not_make_the_gateway_spin(serve):
    gateway = serve(PATIENT_HEADS + pool("baton-echo", options="capacity = 30"),
                    prefix=["prlimit", f"--nofile={LITTLE}:{LITTLE}"])
    clients = half_heads(gateway, 100)
    gateway.wait_event("accept-paused")
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(10)
        control.connect(str(gateway.control))
        control.sendall(b"status\n")
        load = load_of_half_a_second(gateway)
        for client in clients:
            client.close()
        assert control.recv(1000).startswith(b"{"), "it is answered when there is room again"
    assert load < 0.3


def test_full_gateway_with_many_half_heads_pauses_accepting_and_recovers(serve, many_files):
    gateway = serve('limits { connections = 20 head_timeout = "1m" }\n' + pool("baton-echo"))
    clients = [Client(gateway) for _ in range(20)]
    assert answers(clients) == [101] * 20
    late = half_heads(gateway, SPARE_SLOTS + 5)
    assert gateway.wait_event("accept-paused")["reason"] == "limits.connections"
    assert load_of_half_a_second(gateway) < 0.3
    assert status(gateway)["connections"]["accepted"] == 20 + SPARE_SLOTS
    for client in clients[:5]:
        client.close()
    wait_connections(gateway, accepted=25 + SPARE_SLOTS)
    for client in late:
        client.send(REST)
    assert sorted(answers(late, 10)) == [101] * 5 + [503] * SPARE_SLOTS


# -- descriptors of a child ------------------------------------------------------------------


@pytest.mark.parametrize("program", ["baton-echo", "baton-fault"])
def test_child_at_its_limit_of_descriptors_loses_nobody(serve, program):
    gateway = serve(pool(program, options=f'{PATIENT}  ping_interval = "100ms"'))
    poor, rich = pids(gateway)
    before = set_nofile(poor, max(descriptors(poor)) + 2)
    parent, child = Watch(gateway.pid), Watch(poor)
    clients = [Client(gateway) for _ in range(20)]
    assert answers(clients) == [101] * 20
    owners = [opened(gateway, client)[0] for client in clients]
    assert owners.count(poor) == 1 and owners.count(rich) == 19
    for client in clients:
        client.websocket().echo("found a place")
    pings = wait_pings(gateway, poor, 5)
    assert parent.load() < 0.5 and child.load() < 0.5, pings
    resource.prlimit(poor, resource.RLIMIT_NOFILE, before)
    wait_until(lambda: opened(gateway, answered(gateway))[0] == poor, "a client of the poor one")
    told = gateway.wait_event("child-full", pid=poor)
    assert told["connections"] == "1"
    assert len(gateway.events("child-full")) < 20, "a line for each is too many"


def answered(gateway):
    client = Client(gateway)
    assert client.answer() == 101
    return client


def wait_pings(gateway, pid, count):
    """So many intervals of 100 ms, in which newcomers keep asking."""
    end = time.monotonic() + count / 10
    asked = 0
    while time.monotonic() < end:
        assert opened(gateway, answered(gateway))[0] != pid
        asked += 1
    return asked


# -- descriptors in flight -------------------------------------------------------------------


class InFlight:
    """Another process of the stranger that has sent descriptors and reads none of them."""

    def __init__(self, count):
        self.ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.ours.close()
                os.setresgid(STRANGER, STRANGER, STRANGER)
                os.setresuid(STRANGER, STRANGER, STRANGER)
                ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
                while count > 0:
                    socket.send_fds(ends[0], [b"x"], [0] * min(count, 50))
                    count -= 50
                theirs.send(b"x")
                theirs.recv(1)
            finally:
                os._exit(0)
        theirs.close()
        self.ours.settimeout(10)
        assert self.ours.recv(1) == b"x"

    def end(self):
        self.ours.close()
        os.waitpid(self.pid, 0)


class OfAStranger(Gateway):
    def _write_config(self, *args):
        os.chmod(self.directory, 0o777)
        return super()._write_config(*args)


@as_root
def test_limit_of_descriptors_in_flight_is_waited_out(request):
    need_programs_for_others()
    # The children have the limit too, and so room for 96 of 130; the others wait in vain.
    config = 'limits { linger_timeout = "100ms" }\n' + pool(
        "baton-echo", children=3, options='queue_timeout = "1s"')
    with OfAStranger(config, prefix=AS_STRANGER) as gateway:
        children = wait_ready(gateway, 3)
        before = len(descriptors(gateway.pid))
        crowd = InFlight(LITTLE - 4)  # room for five more, and there are places for twelve
        request.addfinalizer(crowd.ours.close)
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        clients = [Client(gateway) for _ in range(130)]
        gateway.wait_event("accept-paused")
        assert load_of_half_a_second(gateway) < 0.3
        assert not gateway.events("child-exit")
        for pid in children:
            os.kill(pid, signal.SIGCONT)
        crowd.end()
        assert set(answers(clients, 10)) <= {101, 503}
        assert [client.status for client in clients].count(101) == 96
        for client in clients:
            client.close()
        wait_connections(gateway, open=0, admitting=0)
        assert len(descriptors(gateway.pid)) == before
        Client(gateway).websocket().echo("over")
        Client.living[-1].close()


@as_root
def test_no_descriptor_may_fly_at_all_and_nothing_spins(request):
    need_programs_for_others()
    with OfAStranger(pool("baton-echo", options="capacity = 100"), prefix=AS_STRANGER) as gateway:
        crowd = InFlight(LITTLE + 10)
        request.addfinalizer(crowd.ours.close)
        clients = [Client(gateway) for _ in range(10)]
        wait_connections(gateway, waiting=10)
        assert load_of_half_a_second(gateway) < 0.3
        assert status(gateway)["connections"]["handed_over"] == 0
        crowd.end()
        assert answers(clients) == [101] * 10
        for client in clients:
            client.close()


@as_root
def test_gateway_that_may_not_change_the_user_says_who_may():
    need_programs_for_others()
    config = pool("baton-echo", options='user = "daemon"')
    with OfAStranger(config, prefix=AS_STRANGER, wait_ready=False) as gateway:
        failed = gateway.wait_event("child-start-failed")
        assert failed["step"] == "setgid" and "root" in failed["hint"]


# -- readers that do not read ----------------------------------------------------------------


class Unread(Gateway):
    """Its log is read only while `reading` is set."""

    def __init__(self, *args, **kwargs):
        self.reading = threading.Event()
        self.reading.set()
        super().__init__(*args, **kwargs)

    def _read_piece(self):
        self.reading.wait()
        return super()._read_piece()


def test_log_that_nobody_reads_delays_nobody_and_is_counted():
    with Unread(pool("baton-echo")) as gateway:
        gateway.reading.clear()
        long_path = "/nothing/" + "x" * 1500
        took = []
        while status(gateway)["log"]["dropped"] < 100:
            for _ in range(150):
                assert raw.get(gateway.address(), long_path).status == 404
            began = time.monotonic()
            client = answered(gateway)
            client.websocket().echo("who reads logs?")
            client.close()
            took.append(time.monotonic() - began)
            assert len(took) < 100, "nothing is ever dropped"
        assert sorted(took)[-2] < 0.3, sorted(took)[-5:]
        gateway.reading.set()
        wait_until(lambda: sum(int(e["lines"]) for e in gateway.events("log-dropped"))
                   == status(gateway)["log"]["dropped"] >= 100, "the count in the log itself")
        with answered(gateway) as client:
            opened(gateway, client)


def test_end_of_a_child_with_many_connections_is_logged_whole(serve, many_files):
    gateway = serve(pool("baton-echo", children=1))
    clients = [Client(gateway) for _ in range(3000)]
    assert answers(clients, 30) == [101] * 3000
    os.kill(pids(gateway)[0], signal.SIGKILL)
    wait_until(lambda: len(gateway.events("close")) == 3000, "a line for each connection")
    assert status(gateway)["log"]["dropped"] == 0


def test_control_client_that_never_reads_delays_nobody(serve, many_files):
    gateway = serve(pool("baton-echo"))
    clients = [Client(gateway) for _ in range(3000)]
    assert answers(clients, 30) == [101] * 3000
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(10)
        control.connect(str(gateway.control))
        control.sendall(b"connections\n")
        control.recv(1, socket.MSG_PEEK)
        took = []
        for _ in range(50):
            began = time.monotonic()
            answered(gateway).websocket().echo("who is in the way?")
            assert len(ask(gateway, "status")) > 100
            took.append(time.monotonic() - began)
        assert sorted(took)[-2] < 0.3, took
        assert load_of_half_a_second(gateway) < 0.3
    listed = ask(gateway, "connections").splitlines()
    assert len(listed) >= 3050
    assert len({line for line in listed}) == len(listed)


def test_flood_on_a_childs_stderr_is_limited_and_counted(serve):
    gateway = serve(pool(children=1))
    client = Client(gateway).websocket()
    client.echo("stderr-flood 20000")
    client.echo("the flood is over")
    asked = 0

    def last_line():
        nonlocal asked
        asked += 1
        client.echo("stderr the last line")
        return gateway.events("child-output", text="the last line")
    wait_until(last_line, "a line behind the flood")
    wait_until(lambda: lost(gateway) + len(gateway.events("child-output")) >= 20000, "the sum")
    shown = gateway.events("child-output")
    assert 500 <= len(shown) < 2000
    assert 20000 <= len(shown) + lost(gateway) <= 20000 + asked
    assert shown[0]["text"] == "line 0 of a flood"


def lost(gateway):
    return sum(int(e.get("dropped", 0)) for e in gateway.events("child-output"))


def test_child_that_floods_its_stderr_delays_nobody(serve):
    gateway = serve(pool())
    first = Client(gateway).websocket()
    other = next(p for p in pids(gateway) if p != opened(gateway, first)[0])
    first.send(wsclient.TEXT, b"stderr-flood 500000")
    took = []
    for _ in range(30):
        began = time.monotonic()
        client = answered(gateway)
        client.websocket().echo("through")
        took.append(time.monotonic() - began)
    assert sorted(took)[-3] < 0.3, took
    assert cpu_secs(other) < 5
    first.connection.close()

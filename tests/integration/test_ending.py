# SPDX-License-Identifier: MIT
"""How the gateway ends: drained, at once, or killed; and which signals do not end it."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

import raw
import tools
from gateway import BIN_DIR, REPOSITORY, Gateway, process_info, wait_gone
from probes import PATIENT, Client, answers, opened, pids, pool, wait_until


def patient_pool(command="baton-echo", children=2, drain="1m", stop="1m"):
    return pool(command, children=children, drain=drain, stop=stop)


def connect(gateway, count):
    clients = [Client(gateway) for _ in range(count)]
    assert answers(clients, 5) == [101] * count
    return [client.websocket() for client in clients]


def wait_end(gateway, secs):
    """It ends within secs, with status 0, and nothing of it is left."""
    gateway.process.wait(secs)
    gateway.stop()


# -- in peace --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["baton-echo", "baton-fault"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_drains_with_1001_and_exits_0(serve, command, signum):
    gateway = serve(patient_pool(command))
    clients = connect(gateway, 4)
    gateway.process.send_signal(signum)
    for client in clients:
        assert client.wait_close().code == 1001
    for client in clients:
        client.send_close(1001)
        client.connection.read_eof()
    wait_end(gateway, 5)
    ends = gateway.events("close")
    assert [(e["code"], e["by"]) for e in ends] == [("1001", "child")] * 4


def test_while_draining_newcomers_and_load_balancers_are_told_503(serve):
    gateway = serve(patient_pool())
    client, = connect(gateway, 1)
    gateway.process.send_signal(signal.SIGTERM)
    assert client.wait_close().code == 1001
    assert raw.get(gateway.address(), "/healthz").status == 503
    late = Client(gateway)
    assert late.refusal().status == 503
    assert gateway.wait_event("refuse", client=late.client)["reason"] == "stopping"
    client.send_close(1001)
    wait_end(gateway, 5)


def test_client_that_does_not_answer_is_cut_off_at_the_end_of_the_drain(serve):
    gateway = serve(patient_pool("baton-fault", drain="300ms"))
    client, = connect(gateway, 1)
    began = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    assert client.wait_close().code == 1001
    client.connection.read_eof()
    wait_end(gateway, 5)
    assert 0.29 <= time.monotonic() - began < 3


def test_client_that_waits_for_a_place_gets_503_when_the_drain_begins(serve):
    gateway = serve(pool(children=1, options='capacity = 1  queue_timeout = "1m"'))
    holder, = connect(gateway, 1)
    waiting = Client(gateway)
    wait_until(lambda: raw.get(gateway.address(), "/healthz").status == 200, "its turn")
    gateway.process.send_signal(signal.SIGTERM)
    assert waiting.refusal().status == 503
    holder.wait_close()
    holder.connection.close()
    wait_end(gateway, 5)


@pytest.mark.parametrize("drain", ["0s", "200ms"])
def test_stopped_child_does_not_hold_up_the_end(serve, drain):
    gateway = serve(patient_pool(drain=drain, stop="200ms"))
    os.kill(pids(gateway)[0], signal.SIGSTOP)
    gateway.process.send_signal(signal.SIGTERM)
    wait_end(gateway, 5)


def test_drain_of_no_time_still_tells_the_clients(serve):
    gateway = serve(patient_pool(drain="0s"))
    clients = connect(gateway, 20)
    gateway.process.send_signal(signal.SIGTERM)
    for client in clients:
        assert client.wait_close().code == 1001
    wait_end(gateway, 5)


# -- at once ---------------------------------------------------------------------------------


def test_second_signal_ends_at_once(serve):
    gateway = serve(patient_pool())
    client, = connect(gateway, 1)
    gateway.process.send_signal(signal.SIGTERM)
    assert client.wait_close().code == 1001
    began = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    client.connection.read_eof()
    wait_end(gateway, 5)
    assert time.monotonic() - began < 3


def test_stop_that_is_repeated_drains_on(serve):
    gateway = serve(patient_pool(["baton-fault", "--ignore-term"], children=1, stop="200ms"))
    client, = connect(gateway, 1)
    for _ in range(3):
        assert gateway.command("stop").returncode == 0
        client.echo("still there")
    gateway.wait_event("stopping")  # a line of the log waits 10 ms for others
    assert [e["step"] for e in gateway.events("stopping")] == ["drain"]
    gateway.stop(signal.SIGQUIT)


def test_sigquit_ends_without_a_drain(serve):
    gateway = serve(patient_pool())
    clients = connect(gateway, 4)
    began = time.monotonic()
    gateway.process.send_signal(signal.SIGQUIT)
    for client in clients:
        assert client.wait_close().code == 1001  # what SIGTERM leaves time for
        client.connection.read_eof()
    wait_end(gateway, 5)
    assert time.monotonic() - began < 3


def test_third_signal_ends_even_children_that_will_not(serve):
    gateway = serve(patient_pool(["baton-fault", "--ignore-term"]))
    client, = connect(gateway, 1)
    for step in ("drain", "stop", "kill"):
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait_event("stopping", step=step)
        if step != "kill":
            client.echo("not yet")
    client.connection.read_eof()
    wait_end(gateway, 5)
    assert {e["signal"] for e in gateway.events("child-exit")} == {"9"}


def test_child_that_ignores_sigterm_is_killed_after_stop_timeout(serve):
    gateway = serve(patient_pool(["baton-fault", "--ignore-term"], stop="200ms"))
    gateway.process.send_signal(signal.SIGQUIT)
    wait_end(gateway, 5)
    assert len(gateway.events("child-stop-timeout")) == 2


# -- not at all ------------------------------------------------------------------------------


def test_hup_usr1_and_usr2_do_not_kill(serve):
    gateway = serve(pool())
    client, = connect(gateway, 1)
    for name in ("HUP", "USR1", "USR2"):
        gateway.process.send_signal(getattr(signal, f"SIG{name}"))
        gateway.wait_event("signal-ignored", signal=name)
        client.echo(name)
    connect(gateway, 1)[0].echo("a newcomer")
    assert not gateway.events("child-exit")


# -- killed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["baton-echo", "baton-fault"])
def test_open_websockets_outlive_a_killed_gateway(serve, command):
    gateway = serve(pool(command, children=3, options=PATIENT))
    first, second = connect(gateway, 2)
    owners = [opened(gateway, client)[0] for client in (first, second)]
    idle = (set(pids(gateway)) - set(owners)).pop()
    born = {pid: process_info(pid)[3] for pid in [idle, *owners]}
    gateway.process.kill()
    gateway.process.wait()
    assert wait_gone(idle, born[idle], time.monotonic() + 5)
    for client in (first, second, first):
        client.echo("who needs a gateway?")
    assert first.close().code == 1000
    assert wait_gone(owners[0], born[owners[0]], time.monotonic() + 5)
    second.echo("the last one")
    assert second.close().code == 1000
    assert wait_gone(owners[1], born[owners[1]], time.monotonic() + 5)
    gateway.stop(signal.SIGKILL)


@pytest.mark.parametrize("command", [
    ["baton-echo"], ["baton-chat"], ["baton-status", "@DIR@/control.sock"],
    ["baton-static", str(REPOSITORY / "child" / "static" / "www")], ["baton-lws-echo"]],
    ids=lambda command: command[0])
def test_shipped_children_may_print_when_nobody_reads(serve, command):
    if not (BIN_DIR / command[0]).is_file():
        tools.missing(f"{command[0]}: a build with libwebsockets")
    gateway = serve(pool(command))
    for pid in pids(gateway):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        ignored = int(re.search(r"^SigIgn:\s+(\w+)$", status, re.MULTILINE)[1], 16)
        assert ignored >> (signal.SIGPIPE - 1) & 1


@pytest.mark.parametrize("lines", range(0, 12, 2))
def test_gateway_killed_while_it_starts_leaves_no_child(lines):
    gateway = Gateway(pool("baton-echo", children=4), wait_ready=False)
    wait_until(lambda: len(gateway.lines) >= lines, f"{lines} lines")
    gateway.process.kill()
    gateway.stop(signal.SIGKILL, timeout=5)


# -- one child alone -------------------------------------------------------------------------


def test_those_who_belong_to_a_child_that_drains_alone_meet_at_its_successor(serve):
    gateway = serve(pool("baton-echo", children=3, route='hash = "query:room"', drain="1m"))
    room = "/fault?room=lobby"
    first = Client(gateway, room)
    assert answers([first], 10) == [101]
    pid, _ = opened(gateway, first)
    seat = pids(gateway).index(pid)
    os.kill(pid, signal.SIGTERM)
    # It does not answer: the child drains on until its second is over, while others come back.
    assert first.websocket().wait_close().code == 1001
    others = [Client(gateway, room) for _ in range(5)]
    assert answers(others, 10) == [101] * 5
    owners = {opened(gateway, client)[0] for client in others}
    assert owners == {pids(gateway)[seat]} and pid not in owners
    gateway.wait_event("child-leaves")

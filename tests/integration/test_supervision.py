# SPDX-License-Identifier: MIT
"""Children as processes: how they start, what they inherit, what happens when they die, hang or do
not start, and that a successor is there."""

import os
import signal
import time
from datetime import datetime

import pytest

from gateway import Gateway, all_processes, process_info, wait_gone
from probes import (PATIENT, Client, Stopped, Watch, answers, children, descriptors,
                    need_programs_for_others, opened, pids, pool, status, wait_ready, wait_ticks,
                    wait_until)

HEARTBEAT = 'ping_interval = "50ms"  ping_timeout = "700ms"'
INHERITED = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LC_ALL",
             "LC_CTYPE", "ASAN_OPTIONS", "UBSAN_OPTIONS", "BATON_FD", "BATON_PROTOCOL"}
OF_A_LOOP = {"anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[signalfd]",
             "anon_inode:[timerfd]"}


@pytest.fixture(scope="module", autouse=True)
def failing():
    """A gateway one of whose pools does not start before the file `works` is there. It gets its bad
    runs behind it while the other tests run; the last tests of this file look at it."""
    script = "test -e @DIR@/works && exec baton-fault; exit 3"
    config = (pool(["sh", "-c", script], children=1, name="broken",
                   options='queue_timeout = "1m"') + pool("baton-echo"))
    with Gateway(config, wait_ready=False) as gateway:
        gateway.wait_events("listening", 1)
        gateway.addresses = [e["address"] for e in gateway.events("listening")]
        gateway.watch = Watch(gateway.pid)
        gateway.waiting = Client(gateway, "/broken")
        Client.living.remove(gateway.waiting)  # it outlives the test that comes first
        yield gateway


def when(event):
    return datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


def connect(gateway, count, path="/fault"):
    clients = [Client(gateway, path) for _ in range(count)]
    assert answers(clients, 5) == [101] * count
    return [client.websocket() for client in clients]


def by_pid(gateway, clients):
    found = {}
    for client in clients:
        found.setdefault(opened(gateway, client)[0], []).append(client)
    return found


def zombies(gateway):
    return [pid for pid, info in all_processes().items()
            if info[0] == gateway.pid and info[2] == "Z"]


# -- death and succession --------------------------------------------------------------------


def test_killed_child_takes_its_own_connections_and_nobody_elses(serve):
    gateway = serve(pool("baton-echo", children=3, options=PATIENT))
    owners = by_pid(gateway, connect(gateway, 9))
    assert len(owners) == 3
    for clients in owners.values():
        for client in clients:
            client.echo("before")
    victim = pids(gateway)[1]
    os.kill(victim, signal.SIGKILL)
    lost = owners.pop(victim)
    for client in lost:
        client.connection.read_eof()
    for clients in owners.values():
        for client in clients:
            client.echo("after")
    gateway.wait_log(rf"event=child-exit .*pid={victim} ")
    now = wait_ready(gateway, 3)
    assert victim not in now and set(owners) < set(now)
    died = gateway.wait_event("child-exit")
    assert (died["signal"], died["connections"]) == ("9", str(len(lost)))
    follower = gateway.wait_event("child-start", pid=now[1])
    assert when(follower) - when(died) < 0.3  # the least delay is 375 ms
    assert len(gateway.events("close", by="child-death")) == len(lost)
    connect(gateway, 3)[0].echo("by a successor")


def test_32_children_killed_at_once_are_all_replaced_and_reaped(serve):
    gateway = serve(pool("baton-echo", children=32, options=PATIENT))
    for _ in range(3):
        clients = connect(gateway, 64)
        victims = pids(gateway)
        assert set(by_pid(gateway, clients)) == set(victims)
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        for client in clients:
            client.connection.read_eof()
        wait_until(lambda v=victims: not set(v) & {c["pid"] for c in children(gateway)}, "deaths")
        wait_ready(gateway, 32)
        assert not zombies(gateway)
    assert len(gateway.wait_events("child-exit", 96)) == 96


def test_processes_that_a_child_started_die_with_it(serve):
    gateway = serve(pool(["sh", "-c", "sleep 600 & exec baton-fault"], children=1))
    victim = pids(gateway)[0]
    helper = wait_until(lambda: next((pid for pid, info in all_processes().items()
                                      if info[0] == victim), None), "the sleep")
    began = process_info(helper)[3]
    os.kill(victim, signal.SIGKILL)
    assert wait_gone(helper, began, time.monotonic() + 5)


# -- what a child inherits -------------------------------------------------------------------


def test_child_is_started_with_exactly_what_the_protocol_says(start, tmp_path):
    gateway = start(pool(["sleep", "600"], children=1, options=f'environment = {{"COLOUR=red"}}'
                         f'  directory = "{tmp_path}"'), wait_ready=False)
    pid = int(gateway.wait_event("child-start")["pid"])
    wait_until(lambda: os.readlink(f"/proc/{pid}/exe").endswith("sleep") and
               process_info(pid)[2] == "S", "its sleep: it has loaded its libraries")
    fds = descriptors(pid)
    assert sorted(fds) == [0, 1, 2, 3], fds
    assert fds[0] == "/dev/null" and fds[1] == fds[2] and fds[1].startswith("pipe:")
    assert fds[3].startswith("socket:") and fds[3] not in (
        descriptors(gateway.pid)[fd] for fd in (0, 1, 2))
    with open(f"/proc/{pid}/environ", encoding="utf-8") as file:
        names = dict(pair.split("=", 1) for pair in file.read().split("\0")[:-1])
    assert set(names) <= INHERITED | {"COLOUR"} and names["COLOUR"] == "red"
    assert (names["BATON_FD"], names["BATON_PROTOCOL"]) == ("3", "1")
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        state = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    assert {int(state[key], 16) for key in ("SigBlk", "SigIgn", "SigCgt")} == {0}
    assert os.getpgid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == str(tmp_path)


def check_descriptors(gateway):
    """Each child has its own channel and nobody else's, and its own loop's descriptors."""
    channels = []
    for pid in wait_ready(gateway, 4):
        fds = descriptors(pid)
        assert fds.pop(0) == "/dev/null"
        assert fds[1] == fds[2]
        channels += [fds.pop(3), fds.pop(2)]
        fds.pop(1)
        assert set(fds.values()) <= OF_A_LOOP and len(fds) == len(set(fds.values())), fds
    assert len(set(channels)) == 8, channels


def test_no_descriptor_leaks_into_a_child_or_its_successor(serve):
    gateway = serve(pool("baton-echo", children=4, options=PATIENT))
    check_descriptors(gateway)
    clients = connect(gateway, 8)
    victims = pids(gateway)[::2]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    owners = by_pid(gateway, clients)
    for victim in victims:
        for client in owners[victim]:
            client.connection.read_eof()
    for pid in set(owners) - set(victims):
        for client in owners[pid]:
            assert client.close().code == 1000
    wait_until(lambda: status(gateway)["connections"]["open"] == 0, "all closed")
    check_descriptors(gateway)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")
def test_pool_runs_as_its_user_and_group(serve):
    need_programs_for_others()
    gateway = serve(pool("baton-echo", children=1, options='user = "nobody"  group = "daemon"'))
    with open(f"/proc/{pids(gateway)[0]}/status", encoding="utf-8") as file:
        state = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    assert set(state["Uid"].split()) == {"65534"}
    assert set(state["Gid"].split()) == {"1"} and "0" not in state["Groups"].split()
    connect(gateway, 1)[0].echo("as nobody")
    os.kill(pids(gateway)[0], signal.SIGKILL)  # we may, whoever it is


# -- children that do not start --------------------------------------------------------------


@pytest.mark.parametrize("command, options, step, named, error", [
    ("no-such-program", "", "exec", {"command": "no-such-program"}, "No such file or directory"),
    ("/etc/passwd", "", "exec", {"command": "/etc/passwd"}, "Permission denied"),
    ("baton-echo", 'directory = "/proc/no-such-directory"', "chdir",
     {"directory": "/proc/no-such-directory"}, "No such file or directory"),
], ids=["missing", "no-program", "no-directory"])
def test_unstartable_child_is_named_with_its_error(start, command, options, step, named, error):
    gateway = start(pool(command, options=options, children=1), wait_ready=False)
    gateway.wait_event("child-start-failed", step=step, error=error, **named)
    gateway.wait_event("child-exit")


def test_capacity_that_a_child_lowers_is_in_the_log(start):
    gateway = start(pool("baton-echo"), prefix=["prlimit", "--nofile=120:120"])
    ready = gateway.wait_event("child-ready")
    assert 1 <= int(ready["capacity"]) < 120 and ready["configured"] == "15000"


def test_child_that_is_not_ready_in_time_is_killed_and_replaced(start):
    gateway = start(pool(["baton-fault", "--no-ready"], children=1,
                         options='start_timeout = "200ms"'), wait_ready=False)
    late = gateway.wait_event("child-start-timeout")
    assert late["reason"] == "no READY within start_timeout"
    assert gateway.wait_event("child-exit", pid=late["pid"])["signal"] == "9"
    gateway.wait_events("child-start", 2)


def test_slow_start_within_start_timeout_is_fine(serve):
    gateway = serve(pool(["baton-fault", "--slow-ready", "300"], children=1))
    assert int(gateway.wait_event("ready")["took_ms"]) >= 300
    connect(gateway, 1)[0].echo("at last")
    assert not gateway.events("child-exit")


# -- the heartbeat ---------------------------------------------------------------------------


def test_stopped_child_is_found_stuck_and_killed(serve):
    gateway = serve(pool("baton-echo", options=HEARTBEAT))
    owners = by_pid(gateway, connect(gateway, 4))
    victim = next(iter(owners))
    others = [client for pid in owners if pid != victim for client in owners[pid]]
    os.kill(victim, signal.SIGSTOP)
    stuck = gateway.wait_event("child-stuck")
    assert stuck["pid"] == str(victim) and "PONG" in stuck["reason"]
    assert gateway.wait_event("child-stop-timeout")["pid"] == str(victim)
    exit_line = gateway.wait_event("child-exit", pid=victim)
    assert exit_line["connections"] == str(len(owners[victim]))
    for client in owners[victim]:
        client.connection.read_eof()
    for client in others:
        client.echo("still there")
    assert victim not in wait_ready(gateway, 2)
    assert len(gateway.events("child-stuck")) == 1


def test_child_in_an_endless_loop_is_aborted(serve):
    gateway = serve(pool(options=f"{HEARTBEAT}  {PATIENT}"))
    first, second = connect(gateway, 2)
    first.echo("block 60000")
    victim = gateway.wait_event("child-stuck")["pid"]
    assert gateway.wait_event("child-exit")["signal"] == str(int(signal.SIGABRT))
    assert victim == str(opened(gateway, first)[0])
    first.connection.read_eof()
    second.echo("still there")
    wait_ready(gateway, 2)


def test_child_that_never_answers_is_aborted_though_it_serves(serve):
    gateway = serve(pool(["baton-fault", "--no-pong"], children=1, options=HEARTBEAT))
    client = connect(gateway, 1)[0]
    client.echo("well?")
    assert gateway.wait_event("child-exit")["signal"] == str(int(signal.SIGABRT))
    client.connection.read_eof()


def test_child_that_is_slow_but_answers_in_time_is_left_alone(serve):
    gateway = serve(pool(children=1, options='ping_interval = "50ms"  ping_timeout = "2s"'))
    client = connect(gateway, 1)[0]
    for _ in range(4):
        client.echo("block 600")
    client.echo("here I am")
    assert not gateway.events("child-stuck")


def test_gateway_that_stood_still_blames_no_child(serve):
    """The PONG is there when it wakes, behind receipts: reading comes before judging."""
    gateway = serve(pool("baton-echo", children=1, options=HEARTBEAT))
    victim = pids(gateway)[0]
    with Stopped(victim):
        clients = [Client(gateway) for _ in range(4)]
        wait_until(lambda: children(gateway)[0]["offered"] == 4, "four offers")
        wait_ticks(0.15)  # a PING is behind them
        os.kill(gateway.pid, signal.SIGSTOP)
    assert answers(clients) == [101] * 4
    wait_ticks(0.8)
    os.kill(gateway.pid, signal.SIGCONT)
    assert [opened(gateway, client)[0] for client in clients] == [victim] * 4
    clients[0].websocket().echo("well")
    assert not gateway.events("child-stuck") and pids(gateway) == [victim]


# -- the pool that fails: it has been at it since the beginning of this file ---------------------


def test_pool_whose_children_exit_at_once_fails_and_refuses_at_once(failing):
    assert "is the command a baton child" in failing.wait_event("pool-failed", timeout=30)["hint"]
    assert failing.wait_event("child-exit", pool="broken")["reason"] == "ended before READY"
    assert failing.wait_event("ready")["failed"] == "1"
    assert answers([failing.waiting]) == [503]  # waited since the start
    took = []
    for _ in range(20):
        began = time.monotonic()
        assert Client(failing, "/broken").refusal().status == 503
        took.append(time.monotonic() - began)
    assert sorted(took)[10] < 0.05, took
    assert {e["reason"] for e in failing.events("refuse")} == {"pool-failed"}
    assert next(p for p in status(failing)["pools"] if p["name"] == "broken")["state"] == "failed"
    client = connect(failing, 1)[0]
    client.echo("the other pool is well")
    client.close()


def test_restarts_back_off(failing):
    starts = [when(e) for e in failing.wait_events("child-start", 5, pool="broken")]
    exits = [when(e) for e in failing.wait_events("child-exit", 4, pool="broken")]
    waits = [start - end for end, start in zip(exits, starts[1:5])]
    for wait, middle in zip(waits, (0.5, 1, 2, 4)):
        assert 0.75 * middle - 0.05 < wait < 1.25 * middle + 0.5, waits
    assert len(starts) < 10
    assert failing.watch.load() < 0.1


def test_failed_pool_recovers_when_its_program_works_again(failing):
    (failing.directory / "works").touch()
    failing.wait_event("pool-recovered", timeout=60)  # the longest delay is 37.5 s
    client = connect(failing, 1, "/broken")[0]
    client.echo("it works")
    client.close()

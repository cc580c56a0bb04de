# SPDX-License-Identifier: MIT
"""A connection's way to a child, and what may go wrong on it: children that die, block, refuse or
are full. Whatever happens, a client hears one answer: a 101 from one child, an error, or, once
its socket was taken, the end of file."""

import os
import signal

import pytest

import wsclient
from gateway import process_info
from probes import (PATIENT, Client, Stopped, Watch, answers, children, opened, pids, pool, status,
                    wait_until, waits)

EARLY_BYTES = 64 * 1024


def once(gateway, fault):
    """A path whose fault has the first child that reads it, and no other."""
    return f"/fault?fault={fault}&once={gateway.directory}/{fault}"


def check_echo(client, text="still there"):
    client.websocket().echo(text)


def early_frames():
    payload = os.urandom(EARLY_BYTES)
    return payload, wsclient.frame_bytes(wsclient.BINARY, payload)


def child_of(gateway, pid):
    return next(c for c in children(gateway) if c["pid"] == pid)


def answered(gateway, path="/fault"):
    client = Client(gateway, path)
    assert client.answer() == 101
    return client


def blocked(gateway, path="/fault", ms=1500):
    """A connection whose child is in a loop now."""
    client = Client(gateway, path).websocket()
    client.echo(f"block {ms}")
    return client


# -- children that die -----------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["die-before-taken", "crash-before-taken"])
def test_client_of_a_child_that_dies_before_taken_goes_to_another(serve, fault):
    gateway = serve(pool())
    client = Client(gateway, once(gateway, fault))
    check_echo(client)
    dead = gateway.wait_event("child-exit")
    assert opened(gateway, client)[0] != int(dead["pid"])
    assert dead["connections"] == "0"


def test_early_frames_survive_a_death_byte_for_byte(serve):
    gateway = serve(pool(options=PATIENT))
    payload, frames = early_frames()
    client = Client(gateway, once(gateway, "die-before-taken"), early=frames)
    assert client.websocket().receive_message() == (wsclient.BINARY, payload)
    assert status(gateway)["connections"]["dealt_again"] == 1


def test_early_frames_survive_taking_back_byte_for_byte(serve):
    gateway = serve(pool())
    with Stopped(pids(gateway)[0]):
        payload, frames = early_frames()
        clients = [Client(gateway, early=frames) for _ in range(2)]
        for client in clients:
            assert client.websocket().receive_message() == (wsclient.BINARY, payload)
        assert status(gateway)["connections"]["taken_back"] >= 1


def test_client_of_a_child_that_dies_after_taken_sees_just_the_end(serve):
    gateway = serve(pool())
    client = Client(gateway, "/fault?fault=die-after-taken")
    client.read_eof()
    assert gateway.wait_event("close", client=client.client)["by"] == "child-death"
    opened(gateway, client)


def test_client_of_a_child_that_dies_after_101_sees_one_101_and_the_end(serve):
    gateway = serve(pool())
    client = Client(gateway, "/fault?fault=die-after-101")
    client.websocket().connection.read_eof()
    assert gateway.wait_event("close", client=client.client)["by"] == "child-death"


def test_request_that_kills_every_child_gets_503_after_three(serve):
    gateway = serve(pool(children=4))
    client = Client(gateway, "/fault?fault=die-before-taken")
    assert client.refusal().status == 503
    assert gateway.wait_event("refuse", client=client.client)["reason"] == "children-died"
    assert len(gateway.wait_events("child-exit", 3)) == 3
    check_echo(Client(gateway))


@pytest.mark.parametrize("count", [1, 2])
def test_stopped_and_killed_child_loses_none_of_50(serve, count):
    gateway = serve(pool("baton-echo", children=count))
    victim = pids(gateway)[0]
    os.kill(victim, signal.SIGSTOP)
    clients = [Client(gateway) for _ in range(50)]
    wait_until(lambda: status(gateway)["connections"]["accepted"] == 50, "50 accepted")
    os.kill(victim, signal.SIGKILL)
    assert set(answers(clients, 5)) <= {101, 503}
    for client in clients:
        if client.status == 101:
            check_echo(client)
        else:
            client.refusal()


def taken_while_the_gateway_stands_still(gateway, paths):
    """Clients whose offers the only child deals with, until it is dead, before the gateway sees
    any of it."""
    victim = pids(gateway)[0]
    with Stopped(victim):
        clients = []
        for count, path in enumerate(paths, 1):
            clients.append(Client(gateway, path))
            wait_until(lambda n=count: children(gateway)[0]["offered"] == n, "the offer")
        os.kill(gateway.pid, signal.SIGSTOP)
    return victim, clients


def wait_zombie(pid):
    wait_until(lambda: process_info(pid)[2] == "Z", "the death")


def test_receipts_of_a_dead_child_count_though_they_are_read_late(serve):
    gateway = serve(pool("baton-echo", children=1))
    victim, clients = taken_while_the_gateway_stands_still(gateway, ["/fault"] * 4)
    with Stopped(gateway.pid):
        assert answers(clients) == [101] * 4
        os.kill(victim, signal.SIGKILL)
        wait_zombie(victim)
    for client in clients:
        client.websocket().connection.read_eof()  # and no second 101
        assert opened(gateway, client)[0] == victim


def test_only_what_was_not_acknowledged_goes_to_the_successor(serve):
    gateway = serve(pool(children=1))
    victim, clients = taken_while_the_gateway_stands_still(
        gateway, ["/fault", once(gateway, "die-before-taken"), "/fault"])
    with Stopped(gateway.pid):
        wait_zombie(victim)
    first, *others = clients
    first.websocket().connection.read_eof()
    assert opened(gateway, first)[0] == victim
    for client in others:
        check_echo(client)
        assert opened(gateway, client)[0] != victim


@pytest.mark.parametrize("now", ["", "&now=1"])
def test_late_taken_of_a_grandchild_counts_for_nobody(serve, now):
    """With now it may be heard before the death is: then the socket was taken, and has ended."""
    gateway = serve(pool())
    client = Client(gateway, once(gateway, "grandchild") + now)
    if client.answer() is None:
        assert now
        assert gateway.wait_event("close", client=client.client)["by"] == "child-death"
    else:
        check_echo(client)
    opened(gateway, client)
    assert not gateway.events("child-broken")


# -- children that are slow ------------------------------------------------------------------


def test_offer_that_a_child_keeps_is_its_own_until_it_dies(serve):
    gateway = serve(pool())
    kept = Client(gateway, once(gateway, "never-take"))
    wait_until(lambda: (gateway.directory / "never-take").exists(), "the offer read")
    keeper = next(c for c in children(gateway) if c["offered"] == 1)["pid"]
    others = [Client(gateway) for _ in range(20)]
    assert answers(others) == [101] * 20
    wait_until(lambda: child_of(gateway, keeper)["offered"] == 1, "each other offer's TAKEN")
    assert kept.buffer == b""
    os.kill(keeper, signal.SIGKILL)
    check_echo(kept)
    for client in others:
        if opened(gateway, client)[0] == keeper:
            client.websocket().connection.read_eof()
        else:
            check_echo(client)


def test_child_that_reads_and_never_acknowledges_is_ended_and_its_client_is_served(serve):
    gateway = serve(pool(options='ping_interval = "100ms"  ping_timeout = "500ms"'))
    client = Client(gateway, once(gateway, "never-take"))
    check_echo(client)
    stuck = gateway.wait_event("child-stuck")
    assert "TAKEN" in stuck["reason"]
    assert gateway.wait_event("child-exit")["signal"] == str(int(signal.SIGABRT))
    assert opened(gateway, client)[0] != int(stuck["pid"])


def test_offer_that_a_child_has_read_is_never_dealt_to_another(serve):
    gateway = serve(pool())
    client = Client(gateway, once(gateway, "slow-take") + "&ms=400")
    check_echo(client)
    assert opened(gateway, client)[1] >= 300
    assert not gateway.events("child-broken")
    moved = status(gateway)["connections"]
    assert moved["dealt_again"] <= moved["taken_back"]  # if any, one that it had not read yet


def test_blocked_child_delays_one_newcomer_and_only_for_the_offer_timeout(serve):
    gateway = serve(pool(options='offer_timeout = "1s"'))
    first = blocked(gateway, ms=4000)
    opened(gateway, first)
    mark = gateway.mark()
    newcomers = [answered(gateway) for _ in range(40)]
    took = waits(gateway, 40, mark)
    assert took[-2] < 900 and 1000 <= took[-1] < 2000, took
    assert opened(gateway, first)[0] not in {opened(gateway, new)[0] for new in newcomers}
    first.echo("and back")


def test_burst_at_a_blocked_child_delays_no_more_than_its_offers(serve):
    gateway = serve(pool(options='offer_timeout = "1s"'))
    first = blocked(gateway, ms=4000)
    opened(gateway, first)
    mark = gateway.mark()
    assert answers([Client(gateway) for _ in range(40)], 4) == [101] * 40
    took = waits(gateway, 40, mark)
    assert took[-5] < 900 and took[-1] < 2000, took
    first.echo("and back")


def test_suspect_that_speaks_again_is_trusted_again(serve):
    gateway = serve(pool())
    victim = pids(gateway)[0]
    with Stopped(victim):
        wait_until(lambda: Client(gateway).answer() and
                   child_of(gateway, victim)["state"] == "suspect", "a suspect")
        assert answers([Client(gateway) for _ in range(20)]) == [101] * 20
        assert child_of(gateway, victim)["connections"] == 0
    wait_until(lambda: opened(gateway, answered(gateway))[0] == victim, "a client of the suspect")


def test_affinity_waits_for_a_slow_child_and_others_do_not(serve):
    gateway = serve(pool(route='hash = "query:room"'))
    a = Client(gateway, "/fault?room=a").websocket()
    owner = opened(gateway, a)[0]
    other = next(room for room in "bcdefghijk"
                 if opened(gateway, answered(gateway, f"/fault?room={room}"))[0] != owner)
    a.echo("block 1500")
    stays, moves = Client(gateway, "/fault?room=a"), Client(gateway, f"/fault?room={other}")
    assert answers([moves, stays], 5) == [101, 101]
    assert opened(gateway, stays)[0] == owner
    assert opened(gateway, stays)[1] > 300 > opened(gateway, moves)[1]


def test_affinity_waits_for_the_successor_of_a_child_that_died(serve):
    gateway = serve(pool(children=4, route='hash = "query:room"'))
    for number in range(8):
        path = f"/fault?room={number}"
        pid = opened(gateway, answered(gateway, path))[0]
        home = child_of(gateway, pid)["index"]
        os.kill(pid, signal.SIGKILL)
        # At once, while the successor starts: a room that moved now would be split for ever.
        newcomers = [Client(gateway, path) for _ in range(3)]
        assert answers(newcomers) == [101] * 3
        homes = {child_of(gateway, opened(gateway, client)[0])["index"] for client in newcomers}
        assert homes == {home}


def test_child_that_stops_reading_keeps_its_clients_and_gets_no_others(serve):
    gateway = serve(pool(options='ping_interval = "200ms"'))
    quiet = Client(gateway, "/fault?fault=stop-reading").websocket()
    owner = opened(gateway, quiet)[0]
    newcomers = [Client(gateway) for _ in range(20)]
    assert answers(newcomers) == [101] * 20
    assert owner not in {opened(gateway, client)[0] for client in newcomers}
    quiet.echo("still served")
    quiet.echo("resume")
    wait_until(lambda: opened(gateway, answered(gateway))[0] == owner, "a client of it again")


def test_one_of_four_stopped_delays_a_handful_of_500(serve):
    gateway = serve(pool("baton-echo", children=4, options='offer_timeout = "2s"'))
    victim = pids(gateway)[0]
    with Stopped(victim):
        watch = Watch(gateway.pid)
        clients = [Client(gateway) for _ in range(500)]
        assert answers(clients, 8) == [101] * 500
        took = waits(gateway, 500)
        assert took[-5] < 1500 and 2000 <= took[-1] < 4500, took[-20:]
        assert watch.load() < 0.9
        assert child_of(gateway, victim)["taken"] == 0
    for client in clients[::50]:
        check_echo(client)


# -- children that refuse --------------------------------------------------------------------


def test_refusal_for_lack_of_room_goes_to_another_child(serve):
    gateway = serve(pool(options=PATIENT + ' ping_interval = "100ms"'))
    client = Client(gateway, once(gateway, "refuse"))
    check_echo(client)
    assert status(gateway)["connections"]["dealt_again"] == 1


def test_refusal_by_three_children_is_503(serve):
    gateway = serve(pool(children=4, options='ping_interval = "100ms"'))
    client = Client(gateway, "/fault?fault=refuse")
    response = client.refusal()
    assert (response.status, "retry-after" in response.headers) == (503, True)
    assert gateway.wait_event("refuse", client=client.client)["reason"] == "children-full"
    check_echo(Client(gateway))


def test_child_that_never_has_room_is_told_of_once(serve):
    gateway = serve(pool(children=1, options='ping_interval = "100ms"  queue_timeout = "1500ms"'))
    client = Client(gateway, "/fault?fault=refuse")
    assert client.refusal().status == 503
    assert gateway.wait_event("refuse", client=client.client)["reason"] == "queue-timeout"
    assert status(gateway)["connections"]["dealt_again"] > 2
    assert len(gateway.events("child-full")) == 1
    check_echo(Client(gateway))


def test_refusal_with_a_status_reaches_the_client(serve):
    gateway = serve(pool())
    client = Client(gateway, "/fault?fault=refuse-403")
    assert client.refusal().status == 403
    assert gateway.wait_event("refuse", client=client.client)["reason"] == "by-child"
    check_echo(Client(gateway))


def test_handover_timeout_ends_the_wait_for_a_child_that_does_not_read(serve):
    gateway = serve(pool(children=1, options='handover_timeout = "1s"'))
    with Stopped(pids(gateway)[0]):
        client = Client(gateway)
        assert client.refusal().status == 503
        refused = gateway.wait_event("refuse", client=client.client)
        assert refused["reason"] == "handover-timeout"
    check_echo(Client(gateway))

# SPDX-License-Identifier: MIT
"""Full pools: who waits, for how long, and what ends the wait."""

import os
import signal
import time

import pytest

from probes import Client, answers, pool, wait_connections

FULL = 'capacity = 2  queue = 1  queue_timeout = "300ms"'
PATIENT = 'capacity = 2  queue = 3  queue_timeout = "20s"'


@pytest.fixture
def full(serve):
    """full(options) gives a gateway whose places are all taken, and the two who have them."""
    def fill(options):
        gateway = serve(pool(children=1, options=options))
        holders = [Client(gateway), Client(gateway)]
        assert answers(holders) == [101, 101]
        return gateway, holders
    return fill


def test_wait_for_a_place_ends_with_503_at_queue_timeout(full):
    gateway, _ = full(FULL)
    began = time.monotonic()
    client = Client(gateway)
    response = client.refusal()
    assert 0.29 <= time.monotonic() - began < 2
    assert (response.status, "retry-after" in response.headers) == (503, True)
    assert gateway.wait_event("refuse", client=client.client)["reason"] == "queue-timeout"


def test_refusals_of_all_who_waited_name_their_route(full):
    gateway, _ = full('capacity = 2  queue = 3  queue_timeout = "300ms"')
    waiting = [Client(gateway) for _ in range(3)]
    assert answers(waiting) == [503] * 3
    refused = gateway.wait_events("refuse", 3, reason="queue-timeout")
    assert [event["route"] for event in refused] == ["/fault"] * 3


def test_who_finds_the_queue_full_gets_503_at_once(full):
    gateway, _ = full(PATIENT)
    waiting = [Client(gateway) for _ in range(3)]
    wait_connections(gateway, waiting=3)
    client = Client(gateway)
    assert answers([client]) == [503]
    assert gateway.wait_event("refuse", client=client.client)["reason"] == "queue-full"
    assert all(c.buffer == b"" for c in waiting)


def test_places_that_become_free_go_to_the_queue_in_its_order(full):
    gateway, holders = full(PATIENT)
    waiting = []
    for count in (1, 2, 3):
        waiting.append(Client(gateway))
        wait_connections(gateway, waiting=count)
    for at, holder in enumerate(holders):
        holder.close()
        assert answers([waiting[at]]) == [101]
        waiting[at].websocket().echo("a place")
    assert waiting[2].buffer == b""


def test_client_that_leaves_while_it_waits_is_noticed(full):
    gateway, holders = full(PATIENT)
    waiting = []
    for count in (1, 2, 3):
        waiting.append(Client(gateway))
        wait_connections(gateway, waiting=count)
    waiting[0].close()
    wait_connections(gateway, waiting=2, left=1, admitting=2)
    holders[0].close()
    assert answers([waiting[1]]) == [101]
    assert not gateway.events("refuse")


def test_many_that_leave_a_long_queue_leave_nothing(serve):
    gateway = serve(pool(children=1, options='capacity = 1  queue = 1000  queue_timeout = "20s"'))
    holder = Client(gateway)
    assert answers([holder]) == [101]
    waiting = [Client(gateway) for _ in range(500)]
    wait_connections(gateway, waiting=500)
    for client in waiting[:499]:
        client.close()
    wait_connections(gateway, waiting=1, left=499)
    holder.close()
    assert answers([waiting[499]]) == [101]
    waiting[499].websocket().echo("the last one")


def test_queue_of_nobody_refuses_at_once(serve):
    gateway = serve(pool(children=1, options="capacity = 1  queue = 0"))
    holder, late = Client(gateway), Client(gateway)
    assert sorted(answers([holder, late])) == [101, 503]


@pytest.mark.parametrize("key", ["", 'hash = "query:room"'], ids=["any child", "by hash"])
def test_crowd_that_comes_in_one_moment_is_served_by_default(serve, many_files, key):
    gateway = serve(pool("baton-echo", route=key))
    os.kill(gateway.pid, signal.SIGSTOP)
    crowd = [Client(gateway, f"/fault?room={n}") for n in range(3000)]
    os.kill(gateway.pid, signal.SIGCONT)
    assert answers(crowd, 30).count(101) == 3000

# SPDX-License-Identifier: MIT
"""Who is beyond a limit is told so before any child hears of it; who is not notices nothing; and
every place comes back, however the connection that had it ends."""

import os
import signal
import time

import pytest

import raw
from probes import (IS_SANITIZED, Client, answers, descriptors, pids, pool, status,
                    wait_connections, wait_ready, wait_until)

HALF_HEAD = b"GET /fault HTTP/1.1\r\nHost: 127.0.0.1\r\n"
LINGERING = 512  # refused clients that are waited for
OTHER = "127.0.0.2"


def limits(text):
    return f"limits {{ {text} }}\n"


def refused(gateway, reason, path="/fault", source=""):
    """The answer to one that is refused, at once and for this reason."""
    client = Client(gateway, path, source=source)
    response = client.refusal()
    assert gateway.wait_event("refuse", client=client.client)["reason"] == reason
    return response


# -- connections of an address -----------------------------------------------------------------


def test_one_address_takes_all_its_places_and_another_is_served_at_once(serve):
    gateway = serve(limits("address_connections = 3") + pool("baton-echo"))
    holders = [Client(gateway) for _ in range(3)]
    assert answers(holders) == [101] * 3
    for _ in range(200):
        client = Client(gateway)
        assert client.refusal().status == 429
        client.close()
    took = []
    for _ in range(5):
        began = time.monotonic()
        other = Client(gateway, source=OTHER)
        assert other.answer() == 101
        took.append(time.monotonic() - began)
        other.close()
        wait_until(lambda: status(gateway)["limits"]["addresses"] == 1, "the other's place")
    assert sorted(took)[2] < (0.5 if IS_SANITIZED else 0.05), took
    response = refused(gateway, "address-connections")
    assert (response.status, response.headers["retry-after"]) == (429, "1")
    assert status(gateway)["connections"]["handed_over"] == 3 + 5
    assert status(gateway)["refusals"] == {"address-connections": 201}
    for holder in holders:
        holder.websocket().echo("undisturbed")


def close_it(gateway):
    client = Client(gateway)
    assert client.answer() == 101
    client.websocket().close()


def vanish(gateway):
    client = Client(gateway)
    assert client.answer() == 101
    client.close()


def kill_its_child(gateway):
    client = Client(gateway)
    assert client.answer() == 101
    os.kill(pids(gateway)[0], signal.SIGKILL)
    client.read_head()
    client.read_eof()


def leave_with_half_a_head(gateway):
    with raw.Connection(gateway.address()) as client:
        client.send(HALF_HEAD)
        wait_connections(gateway, admitting=1)


def be_late(gateway):
    with raw.Connection(gateway.address()) as client:
        client.send(HALF_HEAD)
        assert client.read_response().status == 408


def be_refused(gateway):
    assert refused(gateway, "no-route", "/nowhere").status == 404


def be_refused_and_linger(gateway):
    assert Client(gateway, "/nowhere").answer() == 404


def be_refused_by_the_child(gateway):
    assert refused(gateway, "by-child", "/fault?fault=refuse-403").status == 403


def wait_in_vain(gateway):
    with Client(gateway, "/full", source=OTHER) as holder:
        assert holder.answer() == 101
        assert refused(gateway, "queue-timeout", "/full").status == 503


def leave_the_queue(gateway):
    with Client(gateway, "/patient", source=OTHER) as holder:
        assert holder.answer() == 101
        client = Client(gateway, "/patient")
        wait_connections(gateway, waiting=1)
        client.close()
        wait_connections(gateway, waiting=0)


def check_health(gateway):
    assert raw.get(gateway.address(), "/healthz").status == 200


@pytest.mark.parametrize("end", [
    close_it, vanish, kill_its_child, leave_with_half_a_head, be_late, be_refused,
    be_refused_and_linger, be_refused_by_the_child, wait_in_vain, leave_the_queue, check_health])
def test_place_comes_back_on_each_kind_of_end(serve, end):
    gateway = serve(
        limits('address_connections = 1  head_timeout = "500ms"  linger_timeout = "1m"')
        + pool(children=1, route="connections = 1")
        + pool("baton-echo", children=1, name="full",
               options='capacity = 1  queue = 1  queue_timeout = "500ms"')
        + pool("baton-echo", children=1, name="patient", options='capacity = 1'))
    for _ in range(2):
        end(gateway)
        wait_until(lambda: status(gateway)["limits"]["addresses"] == 0, "no place is taken")
        wait_ready(gateway, 1)
    client = Client(gateway)
    assert client.answer() == 101
    assert refused(gateway, "address-connections").status == 429
    assert refused(gateway, "route-connections", source=OTHER).status == 503


def test_slow_head_beyond_the_limit_is_refused_before_it_is_there(serve):
    gateway = serve(limits('address_connections = 1  head_timeout = "5m"') + pool("baton-echo"))
    holder = Client(gateway)
    assert holder.answer() == 101
    with raw.Connection(gateway.address()) as slow:
        slow.send(HALF_HEAD)
        assert slow.read_response().status == 429
    check_health(gateway)


def test_refused_clients_that_stay_hold_few_descriptors_and_no_places(serve, many_files):
    gateway = serve(
        limits('address_connections = 1  connections = 10  linger_timeout = "1m"')
        + pool("baton-echo"))
    holder = Client(gateway)
    assert holder.answer() == 101
    wait_connections(gateway, open=1, offered=0)  # our copy of its socket is closed
    before = len(descriptors(gateway.pid))
    clients = [Client(gateway) for _ in range(LINGERING + 300)]
    assert set(answers(clients, 10)) == {429}
    wait_until(lambda: len(descriptors(gateway.pid)) - before == LINGERING, "as many that linger")
    for client in clients[-300:]:
        assert client.refusal().status == 429  # to its end, and no reset
    others = [Client(gateway, source=f"127.0.0.{n}") for n in range(2, 11)]
    assert answers(others) == [101] * 9
    assert status(gateway)["accept_pauses"] == 0


# -- behind proxies ----------------------------------------------------------------------------


def by_header(gateway, address):
    fields = [f"X-Forwarded-For: {address}"] if address else []
    return Client(gateway, fields=fields)


def by_proxy_header(gateway, address):
    line = f"TCP4 {address} 192.0.2.99 1000 80" if address else "UNKNOWN"
    client = raw.Connection(gateway.address())
    client.send(f"PROXY {line}\r\n".encode() + raw.upgrade_head("/fault"))
    return client


@pytest.mark.parametrize("listen, connect", [
    ('trusted_proxies = {"127.0.0.1"}', by_header), ("proxy = true", by_proxy_header)])
def test_the_client_that_a_proxy_names_is_limited_and_never_the_proxy(serve, listen, connect):
    gateway = serve(limits('address_connections = 1  address_rate = "1/h"  address_burst = 2')
                    + pool("baton-echo"), listen_options=listen)
    named = [connect(gateway, f"192.0.2.{n}") for n in range(10)]
    itself = [connect(gateway, None) for _ in range(10)]
    assert [client.read_head().status for client in named + itself] == [101] * 20
    assert status(gateway)["limits"]["addresses"] == 10
    for n in range(10):
        assert connect(gateway, f"192.0.2.{n}").read_response().status == 429
    assert status(gateway)["refusals"] == {"address-connections": 10}
    named[0].close()
    wait_until(lambda: status(gateway)["limits"]["addresses"] == 9, "a place")
    with connect(gateway, "192.0.2.0") as again:
        assert again.read_head().status == 101
    wait_until(lambda: status(gateway)["limits"]["addresses"] == 9, "a place, but no token")
    assert connect(gateway, "192.0.2.0").read_response().status == 429
    assert status(gateway)["refusals"]["address-rate"] == 1


def test_slow_head_of_a_client_that_a_proxy_header_names_is_refused_at_once(serve):
    gateway = serve(limits('address_connections = 1  head_timeout = "5m"') + pool("baton-echo"),
                    listen_options="proxy = true")
    assert by_proxy_header(gateway, "192.0.2.1").read_head().status == 101
    with raw.Connection(gateway.address()) as slow:
        slow.send(b"PROXY TCP4 192.0.2.1 192.0.2.99 1000 80\r\n" + HALF_HEAD)
        assert slow.read_response().status == 429


# -- pace --------------------------------------------------------------------------------------


def test_rate_of_an_address_is_held_and_says_when_to_come_again(serve):
    gateway = serve(limits('address_rate = "2/h"  address_burst = 3') + pool("baton-echo"))
    for _ in range(3):
        with Client(gateway) as client:
            assert client.answer() == 101
    response = refused(gateway, "address-rate")
    assert response.status == 429
    assert 1700 < int(response.headers["retry-after"]) <= 1800
    check_health(gateway)
    with Client(gateway, source=OTHER) as other:
        assert other.answer() == 101


def test_rate_lets_through_again_after_a_while(serve):
    gateway = serve(limits('address_rate = "20/s"  address_burst = 1') + pool("baton-echo"))
    began = time.monotonic()
    seen = []
    while seen.count(101) < 6:
        with Client(gateway) as client:
            seen.append(client.answer())
    assert set(seen) <= {101, 429}
    assert time.monotonic() - began > 0.24  # five tokens at 50 ms


# -- routes and all ----------------------------------------------------------------------------


def test_limit_of_a_route_holds_for_it_alone(serve):
    gateway = serve(pool("baton-echo", route="connections = 2")
                    + 'route "/free" { pool = "fault" }\n')
    holders = [Client(gateway), Client(gateway)]
    assert answers(holders) == [101] * 2
    response = refused(gateway, "route-connections")
    assert (response.status, response.headers["retry-after"]) == (503, "1")
    free = Client(gateway, "/free")
    assert free.answer() == 101
    holders[0].websocket().close()
    wait_connections(gateway, open=2)
    assert answers([Client(gateway)]) == [101]


def test_full_gateway_answers_and_health_checks_pass(serve):
    gateway = serve(limits("connections = 2") + pool("baton-echo"))
    holders = [Client(gateway), Client(gateway)]
    assert answers(holders) == [101] * 2
    for _ in range(50):
        response = refused(gateway, "connections")
        assert (response.status, response.headers["retry-after"]) == (503, "1")
        check_health(gateway)
    assert status(gateway)["accept_pauses"] == 0
    holders[0].websocket().close()
    wait_connections(gateway, open=1)
    assert answers([Client(gateway)]) == [101]

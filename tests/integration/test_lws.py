# SPDX-License-Identifier: MIT
"""libwebsockets as a child's engine (child/lws): the protocol's rules against a gateway of a
hundred lines, then the real gateway. Each on libwebsockets' own loop and on libev."""

import asyncio
import os
import resource
import signal
import threading

import pytest

import gateway
import probes
import raw
import test_protocol_children as protocol
import tools
import wsclient

ECHO = gateway.BIN_DIR / "baton-lws-echo"
LOOPS = {"poll": [str(ECHO)], "libev": [str(ECHO), "--libev"]}

if not ECHO.is_file():
    pytest.skip("SKIPPED: no baton-lws-echo, there is no libwebsockets-dev",
                allow_module_level=True)


@pytest.fixture(params=LOOPS, name="child")
def ready_child(request):
    with protocol.FakeGateway(LOOPS[request.param]) as fake:
        fake.hear(protocol.READY)
        yield fake


@pytest.fixture(params=LOOPS, name="lws")
def gateway_with_lws(request, serve):
    """One child behind the real gateway; all descriptors back at the end."""
    return serve(probes.pool(LOOPS[request.param], children=1, name="lws", drain="1m",
                             options='message_limit = "64k"', route="http = true"))


# -- the protocol -------------------------------------------------------------------------------

# What every child does, as far as libwebsockets lets it: it passes unmasked frames, does not tell
# how many bytes it wrote, and shows a frame's length with its first byte only: for these see below.
RULES = [
    protocol.test_messages_of_every_size_come_back,
    protocol.test_what_came_behind_the_head_is_served,
    protocol.test_many_clients_have_their_own_bytes,
    protocol.test_every_ping_has_its_pong,
    protocol.a_full_channel_holds_up_no_client,
    protocol.test_unknown_types_are_ignored,
    protocol.test_an_offer_that_was_taken_back_is_not_missed,
    protocol.test_malformed_messages_are_survived,
    protocol.test_drain_ends_at_its_deadline_whatever_the_clients_do,
    protocol.test_a_child_without_connections_exits_when_the_gateway_is_gone,
    protocol.test_connections_are_served_on_when_the_gateway_is_gone,
    protocol.test_an_offer_whose_gateway_is_gone_is_served,
    protocol.test_a_child_without_a_free_descriptor_refuses_and_recovers,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__.removeprefix("test_"))
def test_rule_of_the_protocol(child, rule):
    rule(child)


@pytest.mark.parametrize("name", LOOPS)
def test_hello_is_answered_by_ready_with_a_capacity(name):
    with protocol.FakeGateway(LOOPS[name]) as fake:
        assert fake.hear(protocol.READY) == (0, b"CAPACITY=100\0")


def test_capacity_stays_below_the_limit_of_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (120, before[1]))
    try:
        fake = protocol.FakeGateway(LOOPS["poll"])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with fake:
        _, payload = fake.hear(protocol.READY)
    assert 1 <= int(payload.removeprefix(b"CAPACITY=").rstrip(b"\0")) <= 100


def test_a_child_that_is_run_by_hand_says_how_to_start_it():
    protocol.CHILDREN["lws"] = LOOPS["poll"]
    try:
        protocol.test_a_child_that_is_run_by_hand_says_how_to_start_it("lws")
    finally:
        del protocol.CHILDREN["lws"]


def check_report(child, code, who, messages=0, ident=protocol.ID):
    report = child.hear_report()
    assert (report.ident, report.code, report.who, report.messages_in) == (
        ident, code, who, messages), report


def test_reports_say_how_it_ended(child):
    client = child.connect()
    client.echo("hello")
    client.echo(b"", wsclient.BINARY)
    assert client.close(4001).code == 4001
    check_report(child, 4001, 0, 2)
    client = child.connect(protocol.ID + 1)
    client.send(wsclient.CLOSE)
    client.wait_close()
    check_report(child, 1005, 0, ident=protocol.ID + 1)
    child.connect(protocol.ID + 2).connection.close()
    check_report(child, 1006, 0, ident=protocol.ID + 2)


@pytest.mark.parametrize("first", [0, 1000])
def test_a_message_above_the_limit_of_hello_is_answered_by_1009(child, first):
    client = child.connect()
    frame = wsclient.frame_bytes(wsclient.CONTINUATION if first else wsclient.BINARY,
                                 b"x" * (protocol.MESSAGE_LIMIT + 1 - first))
    if first:
        client.send(wsclient.BINARY, b"x" * first, fin=False)
        assert client.receive().payload == b"x" * first
    client.connection.send(frame[:15])
    assert client.wait_close().code == 1009
    client.connection.close()
    check_report(child, 1009, 1)


def test_the_gateway_closes_a_connection(child):
    client = child.connect()
    child.say(protocol.CLOSE, protocol.ID + 5, protocol.pairs(CODE=1008))  # over already: ignored
    child.say(protocol.CLOSE, protocol.ID, protocol.pairs(CODE=1008, REASON="kicked"))
    frame = client.wait_close()
    assert (frame.code, frame.reason) == (1008, "kicked")
    client.send_close(1008)
    client.connection.read_eof()
    check_report(child, 1008, 1)


def test_a_client_that_does_not_answer_a_close_is_cut_off(child):
    client = child.connect()
    child.say(protocol.CLOSE, protocol.ID, protocol.pairs(CODE=1001))
    assert client.wait_close().code == 1001
    client.connection.read_eof()
    check_report(child, 1001, 1)


def test_drain_refuses_newcomers_closes_the_others_and_exits(child):
    clients = [child.connect(ident) for ident in (1, 2)]
    child.say(protocol.DRAIN, payload=protocol.pairs(DEADLINE_MS=2000))
    child.offer(3)
    assert child.hear(protocol.REFUSED) == (3, b"")
    for client in clients:
        assert client.wait_close().code == 1001
        client.send_close(1001)
        client.connection.read_eof()
    payload = b""
    while len(payload) < 2 * protocol.REPORT.size:
        payload += child.hear(protocol.CLOSED)[1]
    ends = [protocol.Report(*values) for values in protocol.REPORT.iter_unpack(payload)]
    assert sorted((e.ident, e.code, e.who) for e in ends) == [(1, 1001, 1), (2, 1001, 1)]
    assert child.wait() == 0


OFFER = "Sec-WebSocket-Protocol: "
LONG = "Sec-WebSocket-Extensions: " + ", ".join(["permessage-deflate; client_max_window_bits"] * 9)
CHOICES = {
    "no offer": ([], None),
    "in a list": ([OFFER + "other, echo"], "echo"),
    "beside a token": ([OFFER + "echo, bearer." + "t" * 3000], "echo"),
    "behind a token": ([OFFER + "bearer." + "t" * 3000 + ",echo"], "echo"),
    "in the last of three lines": ([OFFER + "a", OFFER + "b, c", OFFER.upper() + "d,\techo ,e"],
                                   "echo"),
    "no blank": (["sec-websocket-protocol:echo"], "echo"),
    "unknown": ([OFFER + "nope"], None),
    "beginning of a name": ([OFFER + "ech, echo2"], None),
    "other case": ([OFFER + "ECHO"], None),
    "long extensions": ([LONG, OFFER + "echo", LONG.lower()], "echo"),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_no_offer_of_subprotocols_and_extensions_is_left_without_an_answer(lws, choice):
    fields, chosen = CHOICES[choice]
    cookie = "Cookie: kept=as it was"
    with wsclient.WebSocket(lws.address(), path="/lws", fields=[*fields, cookie]) as ws:
        assert ws.response.headers.get("sec-websocket-protocol") == chosen
        assert "sec-websocket-extensions" not in ws.response.headers
        ws.echo("served")
        ws.close(1000)


def test_the_adapter_s_own_protocol_is_nobody_s(child):
    client = child.offer(fields=[OFFER + "(baton), echo"])
    assert child.hear(protocol.TAKEN) == (protocol.ID, b"")
    ws = wsclient.WebSocket.over(client)
    assert ws.response.headers["sec-websocket-protocol"] == "echo"
    ws.echo("served")


KEEPALIVE = 300


@pytest.fixture(params=LOOPS, name="pinging")
def child_with_keepalive(request):
    with protocol.FakeGateway(LOOPS[request.param], hello=False) as fake:
        fake.say(protocol.HELLO, payload=protocol.pairs(PING_INTERVAL_MS=KEEPALIVE))
        fake.hear(protocol.READY)
        yield fake


def wait_ping(client):
    frame = client.receive()
    assert (frame.opcode, len(frame.payload)) == (wsclient.PING, 1)
    return frame.payload


def test_keepalive_keeps_who_answers_and_ends_who_does_not(pinging):
    alive, silent = pinging.connect(1), pinging.connect(2)
    for _ in range(3):  # longer than who does not answer has
        alive.send(wsclient.PONG, wait_ping(alive))
    wait_ping(silent)
    silent.connection.read_eof()
    check_report(pinging, 1006, 2, ident=2)
    alive.echo("is served")
    alive.close()
    check_report(pinging, 1000, 0, 1, ident=1)


def test_keepalive_spares_a_client_to_which_the_program_does_not_listen(pinging):
    """While its output waits the program reads nothing of it, and no Pong."""
    other, slow = pinging.connect(1), pinging.connect(2)
    frame = wsclient.frame_bytes(wsclient.BINARY, b"x" * 30000)
    sender = threading.Thread(target=slow.connection.send, args=(frame * 100,))
    sender.start()
    for _ in range(4):
        other.send(wsclient.PONG, wait_ping(other))
    for _ in range(100):
        assert slow.receive_message() == (wsclient.BINARY, b"x" * 30000)
    sender.join()
    slow.echo("is served")


# -- the real gateway ---------------------------------------------------------------------------


def test_python_websockets_echoes(lws):
    websockets = tools.python_module("websockets")

    async def talk():
        async with websockets.connect(lws.url("/lws"), compression=None) as client:
            for message in ("hello", "", "žluťoučký 🐎", bytes(range(256)), b"x" * 65536):
                await client.send(message)
                assert await client.recv() == message
            await client.send(["in ", "three ", "pieces"])
            assert await client.recv() == "in three pieces"
            await asyncio.wait_for(await client.ping(), gateway.TIMEOUT_SECS)
            await client.close(4321, "done")
            return "%s:%d" % client.local_address

    close = lws.wait_event("close", client=asyncio.run(talk()))
    assert (close["code"], close["by"], close["messages_in"]) == ("4321", "client", "6")


def test_a_client_that_reads_late_gets_everything_in_order(lws):
    messages = [os.urandom(60000) for _ in range(300)]
    frames = b"".join(wsclient.frame_bytes(wsclient.BINARY, m) for m in messages)
    with wsclient.WebSocket(lws.address(), path="/lws") as ws:
        sender = threading.Thread(target=ws.connection.send, args=(frames,))
        sender.start()
        for message in messages:
            assert ws.receive_message() == (wsclient.BINARY, message)
        sender.join()
        ws.close(1000)


def test_permessage_deflate_is_not_negotiated(lws):
    with wsclient.WebSocket(lws.address(), path="/lws", fields=[
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"]) as ws:
        assert "sec-websocket-extensions" not in ws.response.headers
        ws.echo(b"")
        ws.echo(b"")
        ws.close(1000)


def test_plain_requests_are_answered_once_and_closed(lws):
    second = b"GET /lws/second HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with raw.Connection(lws.address()) as connection:
        connection.send(b"GET /lws HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + second)
        response = connection.read_response()
    assert response.status == 404 and response.raw.count(b"HTTP/1.1 ") == 1


def test_a_thousand_clients_leave_nothing_behind(lws):
    (pid,) = probes.wait_ready(lws, 1, "lws")
    before = sorted(probes.descriptors(pid).values())
    for number in range(1000):
        with wsclient.WebSocket(lws.address(), path="/lws") as ws:
            if number % 3 == 0:
                ws.echo(str(number))
            if number % 3 != 2:
                ws.close(1000)
    probes.wait_connections(lws, open=0)
    assert lws.wait_events("close", 1000)
    probes.wait_until(lambda: sorted(probes.descriptors(pid).values()) == before,
                      "the child's descriptors as at first")
    assert probes.pids(lws, "lws") == [pid]


def test_many_clients_at_once_have_their_own_bytes(lws):
    clients = [probes.Client(lws, "/lws") for _ in range(300)]
    assert probes.answers(clients, gateway.TIMEOUT_SECS) == [101] * 300
    sockets = [client.websocket() for client in clients]
    for number, ws in enumerate(sockets):
        ws.send_text(f"from {number}")
    for number, ws in enumerate(sockets):
        assert ws.receive_message() == (wsclient.TEXT, f"from {number}".encode())
    probes.wait_connections(lws, open=300)


def test_a_killed_child_is_replaced(lws):
    (pid,) = probes.wait_ready(lws, 1, "lws")
    with wsclient.WebSocket(lws.address(), path="/lws") as ws:
        os.kill(pid, signal.SIGKILL)
        ws.connection.read_eof()
    probes.wait_until(lambda: probes.pids(lws, "lws") not in ([], [pid]), "a successor")
    with wsclient.WebSocket(lws.address(), path="/lws") as ws:
        ws.echo("the next")
        ws.close(1000)


def test_stopping_the_gateway_closes_clients_with_1001(lws):
    clients = [wsclient.WebSocket(lws.address(), path="/lws") for _ in range(20)]
    lws.process.send_signal(signal.SIGTERM)
    for ws in clients:
        assert ws.wait_close().code == 1001
        ws.send_close(1001)
        ws.connection.read_eof()
        ws.connection.close()
    assert lws.wait_event("child-exit")["status"] == "0"
    lws.process.wait(gateway.TIMEOUT_SECS)

# SPDX-License-Identifier: MIT
"""Admission over the wire: refusals that the client can read, health, heads that come in pieces,
frames that come before their time, and the other kinds of listener."""

import os
import socket

import pytest

import raw
import wsclient
from gateway import ECHO, Gateway

HOST = "Host: 127.0.0.1\r\n"
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
KEY = f"Sec-WebSocket-Key: {raw.KEY}\r\n"
VERSION = "Sec-WebSocket-Version: 13\r\n"
GOOD = HOST + UPGRADE + KEY + VERSION


def head(line="GET /echo HTTP/1.1", fields=GOOD):
    return f"{line}\r\n{fields}\r\n".encode("latin-1")


# (what is wrong, the bytes, status, reason in the log)
REFUSALS = [
    ("no version in the line", head("GET /echo"), 400, "bad-line"),
    ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, None),
    ("method is no token", head("G@T /echo HTTP/1.1"), 400, "bad-method"),
    ("two spaces", head("GET  /echo HTTP/1.1"), 400, None),
    ("target without a slash", head("GET echo HTTP/1.1"), 400, "bad-target"),
    ("target with a fragment", head("GET /echo#top HTTP/1.1"), 400, None),
    ("no colon", head(fields=GOOD + "Nonsense\r\n"), 400, "bad-field"),
    ("space before the colon", head(fields=GOOD + "X-A : b\r\n"), 400, "bad-field"),
    ("folded line", head(fields=GOOD + "X-A: b\r\n c\r\n"), 400, "obs-fold"),
    ("bare LF", head(fields=GOOD + "X-A: b\n"), 400, "bare-lf"),
    ("bare CR", head(fields=GOOD + "X-A: b\rc\r\n"), 400, "bare-lf"),
    ("NUL in a value", head(fields=GOOD + "X-A: b\0c\r\n"), 400, "nul"),
    ("no Host", head(fields=UPGRADE + KEY + VERSION), 400, "host"),
    ("two Hosts", head(fields=HOST + GOOD), 400, "host"),
    ("malformed Host", head(fields=GOOD.replace("127.0.0.1", "a b")), 400, "host"),
    ("absolute target of another host", head("GET http://other.test/echo HTTP/1.1"), 400, "host"),
    ("Transfer-Encoding", head(fields=GOOD + "Transfer-Encoding: chunked\r\n"), 400, "framing"),
    ("a body", head(fields=GOOD + "Content-Length: 5\r\n") + b"hello", 400, "framing"),
    ("two keys", head(fields=GOOD + KEY), 400, None),
    ("key too short", head(fields=GOOD.replace(raw.KEY, "c2hvcnQ=")), 400, "key"),
    ("no key", head(fields=HOST + UPGRADE + VERSION), 400, "key"),
    ("Connection without Upgrade",
     head(fields=GOOD.replace("Connection: Upgrade", "Connection: close")), 400, "connection"),
    ("bad percent-encoding", head("GET /echo/%zz HTTP/1.1"), 400, "path"),
    ("dot segment", head("GET /echo/../echo HTTP/1.1"), 400, "path"),
    ("foreign Origin", head(fields=GOOD + "Origin: https://evil.test\r\n"), 403, "origin"),
    ("null Origin", head(fields=GOOD + "Origin: null\r\n"), 403, "origin"),
    ("no such route", head("GET /echoes HTTP/1.1"), 404, "no-route"),
    ("root has no route", head("GET / HTTP/1.1"), 404, "no-route"),
    ("POST", head("POST /echo HTTP/1.1"), 405, "method"),
    ("target too long", head("GET /echo?" + "x" * 9000 + " HTTP/1.1"), 414, "target-too-long"),
    ("plain HTTP", head(fields=HOST), 426, "not-upgrade"),
    ("version 8", head(fields=GOOD.replace("Version: 13", "Version: 8")), 426, "ws-version"),
    ("no version", head(fields=HOST + UPGRADE + KEY), 426, "ws-version"),
    ("too many fields", head(fields=GOOD + "X-A: b\r\n" * 101), 431, "too-many-fields"),
    ("head too large", head(fields=GOOD + f"X-A: {'x' * 70000}\r\n"), 431, "head-too-large"),
    ("HTTP/1.0", head("GET /echo HTTP/1.0"), 505, "version"),
    ("HTTP/2.0", head("GET /echo HTTP/2.0"), 505, "version"),
]
MORE_FIELDS = {
    405: {"allow": "GET"},
    426: {"sec-websocket-version": "13", "upgrade": "websocket"},
}


def check_refusal(response, status):
    assert response.status == status, response
    assert response.body.startswith(str(status).encode()), response
    assert "close" in response.headers["connection"].lower()
    for name, value in MORE_FIELDS.get(status, {}).items():
        assert response.headers[name] == value, response


def check_echo(address, **how):
    """A clean upgrade, an echo, a clean close."""
    with wsclient.WebSocket(address, **how) as ws:
        ws.echo("still here")
        assert ws.close(1000).code == 1000


@pytest.mark.parametrize("what, request_bytes, status, reason", REFUSALS,
                         ids=[row[0].replace(" ", "-") for row in REFUSALS])
def test_refusal_is_readable_and_leaves_nothing_behind(echo, what, request_bytes, status, reason):
    response = raw.request(echo.address(), request_bytes)
    check_refusal(response, status)
    line = echo.wait_event("refuse", client=response.client)
    assert line["status"] == str(status), line
    assert reason is None or line["reason"] == reason, (what, line)
    check_echo(echo.address())


def test_refusal_logs_the_path_and_never_the_query(echo):
    response = raw.request(echo.address(), head("GET /nowhere?token=secret HTTP/1.1"))
    check_refusal(response, 404)
    assert echo.wait_event("refuse", client=response.client)["target"] == "/nowhere"


def test_refusal_is_readable_when_the_client_goes_on_sending(echo):
    """Unread bytes at close would turn into a reset, which destroys the answer."""
    response = raw.request(echo.address(), head("GET /nowhere HTTP/1.1") + b"x" * 60000)
    check_refusal(response, 404)


def test_refusal_is_readable_when_the_client_has_ended_its_side(echo):
    check_refusal(raw.request(echo.address(), head("GET /nowhere HTTP/1.1"), end=True), 404)


def test_half_a_head_and_then_the_end_gets_400(echo):
    response = raw.request(echo.address(), head()[:-2], end=True)
    check_refusal(response, 400)
    assert echo.wait_event("refuse", client=response.client)["reason"] == "half-head"


def test_urgent_data_in_the_head_gets_400(echo, barrier):
    with raw.Connection(echo.address()) as connection:
        connection.send(head()[:20])
        barrier(echo)
        connection.socket.send(b"!", socket.MSG_OOB)
        check_refusal(connection.read_response(), 400)
        line = echo.wait_event("refuse", client=connection.client)
    assert line["reason"] == "urgent-data"


def test_slow_head_gets_408(start):
    gateway = start('limits { head_timeout = "200ms" }\n' + ECHO)
    check_refusal(raw.request(gateway.address(), head()[:30]), 408)
    assert gateway.wait_event("refuse")["reason"] == "head-timeout"
    check_echo(gateway.address())


def test_refusals_are_counted_by_reason(start):
    gateway = start()
    for _ in range(3):
        raw.request(gateway.address(), head("GET /nowhere HTTP/1.1"))
    raw.request(gateway.address(), head("POST /echo HTTP/1.1"))
    refusals = gateway.status()["refusals"]
    assert (refusals["no-route"], refusals["method"]) == (3, 1)


def test_client_that_leaves_before_its_head_leaves_nothing(start, barrier):
    gateway = start()
    for cut in (0, 1, 40):
        with raw.Connection(gateway.address()) as connection:
            connection.send(head()[:cut])
    barrier(gateway)
    check_echo(gateway.address())
    gateway.wait_event("close")
    connections = gateway.status()["connections"]
    assert (connections["open"], connections["waiting"]) == (0, 0), connections


def test_health_answers_get_and_head(echo):
    answer = raw.get(echo.address(), "/healthz")
    assert (answer.status, answer.body) == (200, b"ok\n")
    answer = raw.request(echo.address(), head("HEAD /healthz HTTP/1.1", HOST))
    assert (answer.status, answer.body) == (200, b"")


def test_foreign_origin_is_in_the_log(echo):
    fields = GOOD + "Origin: https://evil.test\r\n"
    client = raw.request(echo.address(), head(fields=fields)).client
    refused = echo.wait_event("refuse", client=client)
    assert (refused["origin"], refused["route"]) == ("https://evil.test", "/echo")


def test_origin_that_names_the_host_is_welcome(echo):
    host = "example.test:8080"
    check_echo(echo.address(), host=host, fields=[f"Origin: http://{host}"])


def test_route_matches_what_follows_a_slash_and_not_a_longer_word(echo):
    check_echo(echo.address(), path="/echo/deeper?query=1")
    assert raw.request(echo.address(), head("GET /echoo HTTP/1.1")).status == 404


def test_absolute_target_of_this_host_is_an_upgrade(echo):
    with wsclient.WebSocket(echo.address(), head=head("GET http://127.0.0.1/echo HTTP/1.1")) as ws:
        ws.echo("absolute")


def test_head_split_in_two_anywhere_is_the_same_head(echo, barrier):
    whole = raw.upgrade_head(fields=["X-Padding: " + "y" * 40])
    cuts = sorted({1 + number * (len(whole) - 2) // 39 for number in range(40)})
    for cut in cuts:
        with raw.Connection(echo.address()) as connection:
            connection.send(whole[:cut])
            barrier(echo)
            connection.send(whole[cut:])
            wsclient.WebSocket.over(connection).echo(f"cut at {cut}")


def test_head_byte_by_byte_is_the_same_head(echo, barrier):
    with raw.Connection(echo.address()) as connection:
        for byte in raw.upgrade_head():
            connection.send(bytes([byte]))
            barrier(echo)
        wsclient.WebSocket.over(connection).echo("slow but sure")


def early_frames(count, size):
    payloads = [os.urandom(size) for _ in range(count)]
    frames = b"".join(wsclient.frame_bytes(wsclient.BINARY, p) for p in payloads)
    return payloads, frames


@pytest.mark.parametrize("count, size", [(1, 0), (1, 5), (16, 125), (10, 1000), (1, 60000)])
def test_frames_behind_the_head_reach_the_child_once_and_in_order(echo, count, size):
    payloads, frames = early_frames(count, size)
    with wsclient.WebSocket(echo.address(), early=frames) as ws:
        for payload in payloads:
            assert ws.receive_message() == (wsclient.BINARY, payload)
        ws.echo("and the next")


def test_half_a_frame_behind_the_head_is_completed_later(echo):
    payloads, frames = early_frames(3, 300)
    with wsclient.WebSocket(echo.address(), early=frames[:500]) as ws:
        ws.connection.send(frames[500:])
        for payload in payloads:
            assert ws.receive_message() == (wsclient.BINARY, payload)


def test_frame_that_begins_in_the_packet_of_a_split_head(echo, barrier):
    payloads, frames = early_frames(2, 200)
    whole = raw.upgrade_head() + frames
    cut = len(whole) - len(frames) - 3
    with raw.Connection(echo.address()) as connection:
        connection.send(whole[:cut])
        barrier(echo)
        connection.send(whole[cut:])
        ws = wsclient.WebSocket.over(connection)
        for payload in payloads:
            assert ws.receive_message() == (wsclient.BINARY, payload)


def test_unix_socket_serves_as_tcp_does():
    with Gateway(ECHO, listen=("127.0.0.1:0", "unix:@DIR@/ws.sock")) as gateway:
        path = gateway.address(1)
        assert path == str(gateway.directory / "ws.sock")
        payloads, frames = early_frames(5, 400)
        with wsclient.WebSocket(path, host="localhost", early=frames) as ws:
            for payload in payloads:
                assert ws.receive_message() == (wsclient.BINARY, payload)
            ws.close(1000)
        check_refusal(raw.request(path, head("GET /nowhere HTTP/1.1") + b"x" * 60000), 404)
        assert raw.get(path, "/healthz").status == 200


def test_unix_socket_is_gone_after_the_stop():
    with Gateway(ECHO, listen=("unix:@DIR@/ws.sock",)) as gateway:
        path = gateway.address()
        check_echo(path, host="localhost")
        gateway.wait_event("close")
        assert os.path.exists(path)
        gateway.process.terminate()
        gateway.process.wait(20)
        assert not os.path.exists(path)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="SKIPPED: this machine has no IPv6 loopback")
def test_ipv6_listener_serves_and_logs_the_address():
    with Gateway(ECHO, listen=("[::1]:0",)) as gateway:
        check_echo(gateway.address(), host="[::1]:80", fields=["Origin: http://[::1]"])
        assert gateway.wait_event("open")["client"].startswith("[::1]:")


def test_status_shows_who_owns_a_connection(start):
    gateway = start()
    with wsclient.WebSocket(gateway.address()) as ws:
        ws.echo("mine")
        opened = gateway.wait_event("open")
        owners = [c for c in gateway.children() if c["connections"] == 1]
        assert [str(c["pid"]) for c in owners] == [opened["pid"]]
        assert str(owners[0]["index"]) == opened["child"]
        ws.close(4321, "done")
    close = gateway.wait_event("close")
    assert (close["code"], close["by"]) == ("4321", "client")
    assert (close["messages_in"], close["messages_out"]) == ("1", "1")
    assert sum(c["connections"] for c in gateway.children()) == 0

# SPDX-License-Identifier: MIT
"""Children inside other event loops (child/examples): they serve, the loop's own timer goes on,
and what the library must do in time, it does."""

import signal

import pytest

import tools
import wsclient
from gateway import BIN_DIR, Gateway

CONFIG = """
pool "embed"   {{ command = {{"{program}"}}  children = 1  keepalive = "{keepalive}" }}
route "/embed" {{ pool = "embed" }}
"""


@pytest.fixture(params=["baton-embed-libev", "baton-embed-libuv"])
def program(request):
    path = BIN_DIR / request.param
    if not path.is_file():
        tools.missing(f"{request.param} (its library's -dev package)")
    return path


def connect(gateway):
    return wsclient.WebSocket(gateway.address(), "/embed")


def next_tick(client):
    opcode, payload = client.receive_message()
    word, number = payload.split()
    assert (opcode, word) == (wsclient.TEXT, b"tick")
    return int(number)


def test_embedded_child_echoes_while_the_loops_timer_ticks(program):
    with Gateway(CONFIG.format(program=program, keepalive="25s")) as gateway:
        with connect(gateway) as one, connect(gateway) as two:
            first = next_tick(one)
            for text in (b"hello", b"x" * 100000):
                one.send(wsclient.TEXT, text)
                answers = [one.receive_message()[1] for _ in range(2)]
                while text not in answers:
                    answers.append(one.receive_message()[1])
            ticks = [next_tick(two) for _ in range(3)]
            assert ticks == list(range(ticks[0], ticks[0] + 3))
            assert ticks[-1] > first
            one.close()
            two.close()
        gateway.wait_events("close", 2, code=1000, by="client")


def test_embedded_child_keeps_its_own_time(program):
    """No event of a descriptor wakes it: only the milliseconds that baton_dispatch gave."""
    with Gateway(CONFIG.format(program=program, keepalive="300ms")) as gateway:
        with connect(gateway) as client:
            frame = client.receive()
            while frame.opcode != wsclient.PING:
                frame = client.receive()
            gateway.wait_event("close", code=1006, by="keepalive")


def test_embedded_child_drains(program):
    with Gateway(CONFIG.format(program=program, keepalive="25s")) as gateway:
        with connect(gateway) as client:
            gateway.process.send_signal(signal.SIGTERM)
            frame = client.wait_close()
            assert frame.code == 1001
            client.send_close(1001)
            client.connection.read_eof()
        gateway.wait_event("close", code=1001, by="child")
        gateway.stop()

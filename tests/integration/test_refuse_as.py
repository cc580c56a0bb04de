# SPDX-License-Identifier: MIT
"""refuse_as = "close": clients whose handshake succeeds learn the code and the reason."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import raw
import tools
import wsclient
from gateway import REPOSITORY, TIMEOUT_SECS, Gateway
from probes import Client, pool, wait_connections

HERE = Path(__file__).resolve().parent
BROWSER = REPOSITORY / "tests" / "browser" / "refused.test.js"
CLOSE = 'refuse_as = "close"'
FOREIGN = "Origin: https://elsewhere.example"
AUTH_CHILD = REPOSITORY / "tests" / "support" / "auth_child.py"
# What each path is refused for: by a child that had the offer, after a wait in the queue, when it
# is judged, by an auth child.
REFUSALS = {
    "/fault?fault=refuse-403": (1008, "The application refused"),
    "/full": (1013, "No place became free in time"),
    "/crowded": (1013, "All places at this address"),
    "/asked?deny=401&reason=no+token": (1008, "no token"),
}
CONFIG = (pool(children=1, route=CLOSE)
          + pool("baton-echo", children=1, name="full", route=CLOSE,
                 options='capacity = 1  queue = 10  queue_timeout = "100ms"  keepalive = "0s"')
          + pool("baton-echo", children=1, name="crowded", route=f"connections = 1  {CLOSE}",
                 options='keepalive = "0s"')  # who holds a place here answers no ping
          + 'pool "who" { kind = "auth"  command = '
          + f'{{"{sys.executable}", "-B", "{AUTH_CHILD}"}} }}\n'
          + pool("baton-echo", children=1, name="asked", route=f'auth = "who"  {CLOSE}'))


@pytest.fixture(scope="module")
def gateway():
    with Gateway(CONFIG) as running:
        with wsclient.WebSocket(running.address(), "/full"), \
             wsclient.WebSocket(running.address(), "/crowded"):
            yield running


def closed(gateway, path, fields=()):
    """The Close frame that ends the handshake of a client of bytes, and the 101 before it."""
    client = Client(gateway, path, fields=fields)
    websocket = client.websocket()
    frame = websocket.receive()
    assert frame.opcode == wsclient.CLOSE
    client.read_eof()
    client.close()
    return int.from_bytes(frame.payload[:2], "big"), frame.payload[2:].decode(), websocket.response


@pytest.mark.parametrize("path", REFUSALS)
def test_refusal_is_a_101_and_a_close_frame(gateway, path):
    code, reason, _ = closed(gateway, path)
    assert code == REFUSALS[path][0]
    assert reason.startswith(REFUSALS[path][1])


def test_origin_that_is_not_welcome_is_told_so(gateway):
    code, reason, response = closed(gateway, "/fault", [FOREIGN])
    assert (code, reason[:20]) == (1008, "Pages of this origin")
    assert "sec-websocket-protocol" not in response.headers


def test_first_subprotocol_is_selected(gateway):
    fields = [FOREIGN, "Sec-WebSocket-Protocol: chat.v2, chat.v1"]
    assert closed(gateway, "/fault", fields)[2].headers["sec-websocket-protocol"] == "chat.v2"
    long = [FOREIGN, f"Sec-WebSocket-Protocol: {'x' * 99}"]
    assert Client(gateway, "/fault", fields=long).refusal().status == 403


def test_what_is_no_upgrade_to_the_route_gets_a_status(gateway):
    assert raw.get(gateway.address(), "/fault").status == 426
    assert Client(gateway, "/nowhere").refusal().status == 404
    assert Client(gateway, "/fault", fields=["Upgrade: websocket", "Transfer-Encoding: chunked"]
                  ).refusal().status == 400


def test_limits_are_told_by_a_close_frame_too(serve):
    gateway = serve("limits { address_connections = 1 }\n" + pool("baton-echo", route=CLOSE))
    holder = Client(gateway)
    assert holder.answer() == 101
    code, reason, _ = closed(gateway, "/fault")
    assert (code, reason[:29]) == (1013, "Too many connections from you")
    holder.close()
    wait_connections(gateway, open=0)
    Client(gateway).websocket().echo("a place")


def test_client_that_answers_the_close_meets_no_reset(gateway):
    for _ in range(50):
        with Client(gateway, "/crowded", early=wsclient.frame_bytes(wsclient.TEXT, b"early")) as c:
            websocket = c.websocket()
            assert websocket.receive().opcode == wsclient.CLOSE
            websocket.send_close(1013)
            c.read_eof()


# -- real clients ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", REFUSALS)
@pytest.mark.parametrize("protocols", [(), ("chat.v2", "chat.v1")])
def test_python_websockets_sees_code_and_reason(gateway, path, protocols):
    websockets = tools.python_module("websockets")

    async def talk():
        async with websockets.connect(gateway.url(path), subprotocols=protocols or None) as ws:
            await ws.wait_closed()
            return ws.close_code, ws.close_reason, ws.subprotocol

    code, reason, protocol = asyncio.run(asyncio.wait_for(talk(), TIMEOUT_SECS))
    assert (code, protocol) == (REFUSALS[path][0], protocols[0] if protocols else None)
    assert reason.startswith(REFUSALS[path][1])


def run_node(module, *args, **env):
    node = tools.node_module(module)
    done = subprocess.run([node, *args], capture_output=True, text=True, check=False,
                          timeout=3 * TIMEOUT_SECS, env=dict(os.environ, **env))
    assert done.returncode == 0 and not done.stderr, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("path", REFUSALS)
@pytest.mark.parametrize("protocols", [(), ("chat.v2", "chat.v1")])
def test_ws_sees_code_and_reason(gateway, path, protocols):
    told = run_node("ws", HERE / "ws_refused.js", gateway.url(path), *protocols)
    assert (told["code"], told["protocol"]) == (REFUSALS[path][0], "".join(protocols[:1]))
    assert told["reason"].startswith(REFUSALS[path][1])


@pytest.mark.parametrize("protocols", [(), ("chat.v2", "chat.v1")])
def test_a_page_in_a_browser_sees_code_and_reason(gateway, protocols):
    chromium = tools.program("chromium")
    told = run_node("playwright-core", BROWSER, gateway.addresses[0], "/crowded", *protocols,
                    CHROMIUM=chromium)
    assert (told["code"], told["protocol"]) == (1013, "".join(protocols[:1]))
    assert told["reason"].startswith("All places at this address")

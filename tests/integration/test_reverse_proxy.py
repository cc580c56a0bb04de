# SPDX-License-Identifier: MIT
"""docs/reverse-proxy.md is true: its configurations, as they stand there, in the real nginx,
HAProxy and Caddy, with real clients in front and the real gateway behind."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import documents
import probes
import proxies
import raw
import tools
import wsclient
from gateway import BIN_DIR, REPOSITORY, TIMEOUT_SECS, Gateway

HERE = Path(__file__).resolve().parent
BROWSER_SECS = 60
CADDY_TRIES = 4
HTTP_CHILD = REPOSITORY / "tests" / "support" / "http_child.py"
POOLS = f"""
pool "echo"  {{ command = {{"baton-echo"}}  message_limit = "4M"  send_limit = "8M" }}
pool "page"  {{ command = {{"{sys.executable}", "-B", "{HTTP_CHILD}"}}  children = 1 }}
pool "full"  {{ command = {{"baton-echo"}}  children = 1  capacity = 1  queue = 0 }}
route "/echo" {{ pool = "echo" }}
route "/both" {{ pool = "echo" }}
route "/seen" {{ pool = "echo" }}
route "/page" {{ pool = "page"  http = true }}
route "/full" {{ pool = "full" }}
"""
OVER_TCP = {kind: {unix: tcp} for kind, (unix, tcp) in proxies.addresses().items()}

# name: (block, what is changed in it: by default only the places where baton listens)
SETUPS = {
    "nginx over Unix": ("nginx", {}),
    "nginx over TCP": ("nginx", OVER_TCP["nginx"]),
    "nginx stream": ("nginx-stream", {}),
    "HAProxy over Unix": ("haproxy", {}),
    "HAProxy over TCP": ("haproxy", OVER_TCP["haproxy"]),
    "HAProxy PROXY v2": ("haproxy-tcp", {}),
    "HAProxy PROXY v1": ("haproxy-tcp", {"send-proxy-v2": "send-proxy"}),
    "Caddy over Unix": ("caddy", {}),
    "Caddy over TCP": ("caddy", OVER_TCP["caddy"]),
}
JUDGES_HEADS = [name for name in SETUPS if name.startswith(("nginx over", "HAProxy over", "Caddy"))]
FRONTS = [(name, "wss") for name in SETUPS]
FRONTS += [(name, "ws") for name in SETUPS if not name.startswith("Caddy")]  # whose block has TLS


def listen_lines():
    """Of the document's configuration of baton."""
    (block,) = [b for b in documents.blocks(proxies.DOCUMENT) if b.text.startswith("listen ")]
    text = "\n".join(line for line in block.text.splitlines() if line.startswith("listen "))
    # Two listeners on port 0 of one address would be the same to baton.
    for old, new in {"/run/baton": "@DIR@", "127.0.0.1:8080": "127.0.0.1:0",
                     "127.0.0.1:8081": "127.0.0.3:0"}.items():
        text = text.replace(old, new)
    return text + "\n"


@pytest.fixture(scope="module", name="gateway")
def gateway_of_the_document(tmp_path_factory):
    pages = tmp_path_factory.mktemp("pages")
    (pages / "index.html").write_text("a page\n")
    files = f"""
pool "files" {{ command = {{"baton-static", "{pages}"}}  children = 1 }}
route "/"    {{ pool = "files"  http = true }}
""" if (BIN_DIR / "baton-static").is_file() else ""
    with Gateway(listen_lines() + POOLS + files, listen=()) as gateway:
        yield gateway


@pytest.fixture(scope="module", name="certificates")
def certificates_for_localhost(tmp_path_factory):
    return proxies.Certificates(tmp_path_factory.mktemp("tls") / "certs")


def places_of(gateway):
    """Where the document's addresses are in this test."""
    unix, tcp, proxy = gateway.addresses
    return {"/run/baton/ws.sock": unix.removeprefix("unix:"), "127.0.0.1:8080": tcp,
            "127.0.0.1:8081": proxy}


@pytest.fixture(scope="module", name="running")
def proxies_that_run(gateway, certificates):
    """running(name) gives the proxy of SETUPS, started when it is first asked for."""
    started = {}

    def get(name):
        if name not in started:
            block, changes = SETUPS[name]
            started[name] = proxies.Proxy(block, certificates, places_of(gateway), changes)
        return started[name]

    yield get
    for proxy in started.values():
        proxy.stop()


@pytest.fixture(params=SETUPS, name="proxy")
def each_proxy(request, running):
    yield from shown_when_it_fails(running(request.param))


@pytest.fixture(params=FRONTS, ids="-".join, name="front")
def each_proxy_with_and_without_tls(request, running):
    """(proxy, whether its clients come by TLS)"""
    name, scheme = request.param
    for proxy in shown_when_it_fails(running(name)):
        yield proxy, scheme == "wss"


@pytest.fixture(params=JUDGES_HEADS, name="judge")
def each_proxy_that_reads_heads(request, running):
    yield from shown_when_it_fails(running(request.param))


def shown_when_it_fails(proxy):
    yield proxy
    print(f"log of {proxy.name}:\n{proxy.news()}")


def websocket(proxy, tls=True, path="/echo", fields=(), early=b""):
    client = proxy.connect(tls)
    client.send(raw.upgrade_head(path, proxy.host(tls), fields) + early)
    return wsclient.WebSocket.over(client)


# -- each of them ----------------------------------------------------------------------------


def test_messages_pass_both_ways(front, gateway):
    proxy, tls = front
    mark = gateway.mark()
    with websocket(proxy, tls, "/both") as client:
        client.echo("hello")
        client.echo(bytes(range(256)) * 4096, wsclient.BINARY)
        assert client.close(4001, "enough").code == 4001
    assert gateway.wait_event("close", since=mark, route="/both")["code"] == "4001"


def test_client_is_known_by_its_own_address(front, gateway):
    proxy, tls = front
    mark = gateway.mark()
    fields = ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.2", "X-Real-IP: 192.0.2.3"]
    with websocket(proxy, tls, "/seen", fields) as client:
        seen = gateway.wait_event("open", since=mark, route="/seen")["client"]
        assert seen.rpartition(":")[0] == proxies.STRANGER
        client.close()


def test_child_knows_address_and_scheme(front):
    proxy, tls = front
    head = f"GET /page HTTP/1.1\r\nHost: {proxy.host(tls)}\r\nX-Forwarded-Proto: ftp\r\n\r\n"
    told = json.loads(proxy.request(head.encode(), tls).body)
    assert told["REMOTE_ADDR"] == proxies.STRANGER
    tells_scheme = proxy.name not in ("nginx-stream", "haproxy-tcp")
    assert (told["REQUEST_SCHEME"], told.get("HTTPS")) == (
        ("https", "on") if tls and tells_scheme else ("http", None))


def test_page_with_a_body_passes(front):
    proxy, tls = front
    body = os.urandom(100000)
    head = (f"POST /page?x=1 HTTP/1.1\r\nHost: {proxy.host(tls)}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n")
    told = json.loads(whole_answer(proxy, head.encode() + body, tls).body)
    assert (told["REQUEST_METHOD"], told["REQUEST_URI"]) == ("POST", "/page?x=1")
    assert base64.b64decode(told["BODY"]) == body


def whole_answer(proxy, request, tls, tries=CADDY_TRIES):
    """Caddy cuts one in some hundred of these under load: Go's server closes a request's body when
    its answer begins, while Go's client may still look for the body's end, and closes on that error
    the connection on which the answer comes ("use of closed network connection" in its log)."""
    try:
        return proxy.request(request, tls)
    except AssertionError as error:
        if proxy.kind != "caddy" or "end of file after" not in str(error) or tries == 1:
            raise
        return whole_answer(proxy, request, tls, tries - 1)


def test_page_of_the_same_host_may_connect(front):
    proxy, tls = front
    with websocket(proxy, tls, fields=[f"Origin: {proxy.url('', tls, 'http')}"]) as client:
        client.echo("hello")
        client.close()


def test_refusals_pass_through(front):
    proxy, tls = front
    host = proxy.host(tls)
    for head, status in [
            (raw.upgrade_head("/echo", host, ["Origin: https://evil.example"]), 403),
            (f"GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), 426),
            (raw.upgrade_head("/echo", host).replace(b"Version: 13", b"Version: 8"), 426)]:
        response = proxy.request(head, tls)
        assert (response.status, bool(response.body)) == (status, True), (head, response)
        if status == 426:
            assert response.headers["sec-websocket-version"] == "13"


def test_full_pool_refuses_and_says_when_to_come_again(proxy, gateway):
    mark = gateway.mark()
    with websocket(proxy, path="/full") as client:
        client.echo("the only one")
        response = proxy.request(raw.upgrade_head("/full", proxy.host(True)), True)
        assert response.status == 503
        assert int(response.headers["retry-after"]) > 0
        client.close()
    gateway.wait_event("close", since=mark, route="/full")


def early_frames():
    """64 KiB in frames of all sizes, and what is in them."""
    payloads, size = [], 0
    while size < 65536:
        payloads.append(os.urandom(min(len(payloads) * 37, 65536 - size)))
        size += len(payloads[-1])
    return payloads, b"".join(wsclient.frame_bytes(wsclient.BINARY, p) for p in payloads)


@pytest.mark.parametrize("front", [front for front in FRONTS if not front[0].startswith("Caddy")],
                         ids="-".join, indirect=True)
def test_frames_sent_right_behind_the_head_arrive(front):
    proxy, tls = front
    payloads, frames = early_frames()
    with websocket(proxy, tls, early=frames) as client:
        for payload in payloads:
            assert client.receive_message() == (wsclient.BINARY, payload)
        client.echo("hello")
        client.close()


def test_caddy_loses_frames_sent_right_behind_the_head(running):
    early = wsclient.frame_bytes(wsclient.TEXT, b"early")
    with websocket(running("Caddy over Unix"), early=early) as client:
        client.echo("late")
        client.close()


# -- real clients ----------------------------------------------------------------------------

OVER_UNIX = ["nginx over Unix", "HAProxy over Unix", "Caddy over Unix"]


@pytest.mark.parametrize("name", OVER_UNIX)
def test_ws_echoes_and_closes_with_its_code(running, certificates, name):
    node = tools.node_module("ws")
    done = subprocess.run(
        [node, HERE / "ws_client.js", running(name).url("/echo")], capture_output=True, text=True,
        env=dict(os.environ, NODE_EXTRA_CA_CERTS=str(certificates.ca)), timeout=TIMEOUT_SECS,
        check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [e["length"] for e in result["echoes"]] == [5, 5, 0, 1 << 20, 13]
    assert (result["pong"], result["code"]) == ("are you there", 4001)


@pytest.mark.parametrize("name", OVER_UNIX)
def test_python_websockets_gets_messages_back_in_order(running, certificates, name):
    websockets = tools.python_module("websockets")

    async def talk():
        url = running(name).url("/echo")
        async with websockets.connect(url, ssl=certificates.context, compression=None) as ws:
            for number in range(500):
                await ws.send(f"message {number}")
            for number in range(500):
                assert await ws.recv() == f"message {number}"
            await ws.close(3003, "enough")
            return ws.close_code

    assert asyncio.run(asyncio.wait_for(talk(), TIMEOUT_SECS)) == 3003


def test_page_in_chromium_talks_to_its_own_host_alone(running):
    node = tools.node_module("playwright-core")
    chromium = tools.program("chromium")
    if not (BIN_DIR / "baton-static").is_file():
        tools.missing("baton-static (libwebsockets-dev)")
    urls = [running(name).url("/", scheme="http") for name in OVER_UNIX]
    done = subprocess.run(
        [node, REPOSITORY / "tests" / "browser" / "proxy.test.js", *urls], check=False, text=True,
        env=dict(os.environ, CHROMIUM=chromium), capture_output=True, timeout=BROWSER_SECS)
    assert done.returncode == 0, done.stderr


# -- the Connection field --------------------------------------------------------------------

RIGHT = ("Upgrade", "keep-alive, Upgrade", "upgrade")
WRONG = ("close", "keep-alive", "Upgraded", "Up grade", None)


def statuses(proxy, values):
    """What requests with these Connection fields get."""
    def status(value):
        field = b"" if value is None else b"Connection: " + value.encode() + b"\r\n"
        head = raw.upgrade_head("/echo", proxy.host(True))
        with proxy.connect(True) as client:
            client.send(head.replace(b"Connection: Upgrade\r\n", field))
            return client.read_head().status

    return {value: status(value) for value in values}


def test_only_a_right_connection_field_upgrades(judge):
    assert set(statuses(judge, RIGHT).values()) == {101}
    assert 101 not in statuses(judge, WRONG).values()


def test_usual_recipe_for_nginx_upgrades_anything(gateway, certificates):
    with nginx_with(gateway, certificates, {"$http_connection": '"upgrade"'}) as proxy:
        assert set(statuses(proxy, WRONG).values()) == {101}


def nginx_with(gateway, certificates, changes):
    return proxies.Proxy("nginx", certificates, places_of(gateway), changes)


LEFT_OUT = [(row[0].strip("`"), int(row[1][:3])) for row in documents.table_rows(proxies.DOCUMENT)
            if row[0].startswith("`proxy_")]


def test_document_says_what_a_missing_line_looks_like():
    assert len(LEFT_OUT) == 4


@pytest.mark.parametrize("line,status", LEFT_OUT)
def test_line_left_out_of_nginx_shows(gateway, certificates, line, status):
    with nginx_with(gateway, certificates, {line: ""}) as proxy:
        fields = [f"Origin: {proxy.url('', scheme='http')}"]
        head = raw.upgrade_head("/echo", proxy.host(True), fields)
        assert proxy.request(head, True).status == status


# -- idle connections ------------------------------------------------------------------------

IDLE = """
pool "kept"   { command = {"baton-echo"}  children = 1  keepalive = "1s" }
pool "silent" { command = {"baton-echo"}  children = 1  keepalive = "0s" }
route "/kept"   { pool = "kept" }
route "/silent" { pool = "silent" }
"""
# block: the idle limit that it has (or by default), and 3 s instead
IDLE_LIMITS = {
    "nginx": {"proxy_http_version 1.1;": "proxy_http_version 1.1; proxy_read_timeout 3s;"},
    "nginx-stream": {"proxy_timeout 60s;": "proxy_timeout 3s;"},
    "haproxy": {"timeout tunnel 60s": "timeout tunnel 3s"},
    "haproxy-tcp": {"timeout client 60s": "timeout client 3s",
                    "timeout server 60s": "timeout server 3s"},
}


@pytest.mark.parametrize("block", IDLE_LIMITS)
def test_idle_connection_ends_by_the_proxy_unless_it_is_pinged(start, certificates, block):
    gateway = start(listen_lines() + IDLE, listen=())
    with proxies.Proxy(block, certificates, places_of(gateway), IDLE_LIMITS[block]) as proxy, \
            websocket(proxy, path="/kept") as kept, websocket(proxy, path="/silent") as silent:
        for _ in range(4):
            ping = kept.receive()
            assert ping.opcode == wsclient.PING
            kept.send(wsclient.PONG, ping.payload)
        kept.echo("still here")
        silent.connection.read_eof()  # no Close before it
        assert gateway.wait_event("close", route="/silent")["code"] == "1006"
        kept.close()


# -- two gateways ----------------------------------------------------------------------------

ROOMS = [f"room{number}" for number in range(64)]


@pytest.fixture(params=["nginx-two", "haproxy-two"], name="pair")
def two_gateways_and_a_proxy(request, start, certificates):
    gateways = [start(POOLS, listen_options='health = "/healthz"') for _ in range(2)]
    places = {f"10.0.0.{number}:8080": g.addresses[0] for number, g in enumerate(gateways, 1)}
    with proxies.Proxy(request.param, certificates, places) as proxy:
        yield gateways, proxy
        print(proxy.news())


def owner(proxy, room):
    """(status, pid of the child) that a request for the room meets."""
    head = f"GET /page?room={room} HTTP/1.1\r\nHost: {proxy.host(False)}\r\n\r\n"
    response = proxy.request(head.encode(), False)
    return response.status, response.status == 200 and json.loads(response.body)["PID"]


def test_room_stays_with_its_gateway_until_that_drains(pair):
    (one, two), proxy = pair
    first, second = (int(g.wait_event("child-ready", pool="page")["pid"]) for g in (one, two))
    owners = {room: owner(proxy, room) for room in ROOMS}
    assert set(owners.values()) == {(200, first), (200, second)}
    assert {room: owner(proxy, room) for room in ROOMS} == owners
    room = next(room for room in ROOMS if owners[room] == (200, first))
    with websocket(proxy, False, f"/echo?room={room}") as old:
        old.echo("hello")
        one.process.send_signal(signal.SIGTERM)
        one.wait_event("stopping")
        assert {owner(proxy, room) for room in ROOMS} == {(200, second)}
        assert raw.get(one.address(), "/healthz").status == 503
        if proxy.kind == "haproxy":
            probes.wait_until(lambda: haproxy_state(proxy, "one").startswith("DOWN"), "DOWN")
        assert old.wait_close().code == 1001  # while it is not answered, the gateway stays
        old.send_close(1001)
        old.connection.read_eof()


def haproxy_state(proxy, server):
    rows = proxy.ask("show stat").splitlines()
    names = rows[0].split(",")
    (row,) = [dict(zip(names, row.split(","))) for row in rows if f",{server}," in row]
    return row["status"]


# -- reload ----------------------------------------------------------------------------------

LIMITED = {"nginx": "worker_shutdown_timeout 300ms;\n", "haproxy": "\thard-stop-after 300ms\n"}


@pytest.mark.parametrize("block", ["nginx", "nginx-stream", "haproxy", "haproxy-tcp"])
@pytest.mark.parametrize("limited", [False, True])
def test_reload_of_the_proxy(start, certificates, block, limited):
    gateway = start(listen_lines() + POOLS, listen=())
    top = LIMITED[block.partition("-")[0]] if limited else ""
    with proxies.Proxy(block, certificates, places_of(gateway), top=top) as proxy, \
            websocket(proxy) as old:
        old.echo("before")
        proxy.reload()
        with websocket(proxy) as new:
            new.echo("new")
            if limited:
                old.connection.read_eof()
                assert gateway.wait_event("close")["code"] == "1006"
            else:
                old.echo("after")
                old.close()
            new.close()


def test_reload_of_caddy_closes_all(start, certificates):
    gateway = start(listen_lines() + POOLS, listen=())
    with proxies.Proxy("caddy", certificates, places_of(gateway)) as proxy, \
            websocket(proxy) as old:
        old.echo("before")
        proxy.reload()
        # It speaks to both, but to baton without a mask, which a client's frames must have; now and
        # then baton's answer to that reaches the client before its own Close.
        assert old.wait_close().code in (1001, 1002)
        assert gateway.wait_event("close")["code"] == "1002"

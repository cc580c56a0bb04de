# SPDX-License-Identifier: MIT
"""permessage-deflate with the clients that people use, and what it costs the child."""

import asyncio
import hashlib
import json
import os
import resource
import socket
import subprocess
import zlib
from pathlib import Path

import pytest

import probes
import raw
import tools
import wsclient
from gateway import REPOSITORY, TIMEOUT_SECS, Gateway

HERE = Path(__file__).resolve().parent
CONFIG = """
pool "echo"     { command = {"baton-echo"}  children = 1  message_limit = "4M"  send_limit = "8M"
                  deflate = true }
pool "takeover" { command = {"baton-echo"}  children = 1  message_limit = "4M"  send_limit = "8M"
                  deflate = true  deflate_takeover = true  deflate_level = 9 }
pool "plain"    { command = {"baton-echo"}  children = 1 }
route "/echo"     { pool = "echo" }
route "/takeover" { pool = "takeover" }
route "/plain"    { pool = "plain" }
"""
OFFER = ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"]
JSON = json.dumps([{"room": "lobby", "by": f"user {i % 5}", "text": "good morning", "at": i}
                   for i in range(9)])
RSV1 = 4
BROWSER_SECS = 60
IDLE = 10000
IDLE_BYTES = 512  # a connection, at most


@pytest.fixture(scope="module")
def deflate():
    with Gateway(CONFIG) as gateway:
        yield gateway


def pack(data):
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


def unpack(data):
    return zlib.decompressobj(-15).decompress(data + b"\0\0\xff\xff")


def sha1(data):
    return hashlib.sha1(data).hexdigest()


@pytest.mark.parametrize("path", ["/echo", "/takeover", "/plain"])
def test_python_websockets_with_its_default_offer(deflate, path):
    websockets = tools.python_module("websockets")
    noise = bytes(hashlib.shake_128(b"noise").digest(200000))
    messages = [JSON, JSON, "", b"", "x", noise, JSON * 1000, b"\0" * (1 << 20), noise[:3]]

    async def talk():
        async with websockets.connect(deflate.url(path), max_size=None) as ws:
            extensions = [e.name for e in ws.protocol.extensions]
            for message in messages * 2:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send([JSON[:50], JSON[50:60], JSON[60:]])
            assert await ws.recv() == JSON
            return extensions

    extensions = asyncio.run(asyncio.wait_for(talk(), TIMEOUT_SECS))
    assert extensions == ([] if path == "/plain" else ["permessage-deflate"])


@pytest.mark.parametrize("path", ["/echo", "/takeover"])
def test_ws_with_deflate(deflate, path):
    node = tools.node_module("ws")
    done = subprocess.run([node, HERE / "ws_client.js", deflate.url(path), "deflate"],
                          capture_output=True, text=True, timeout=TIMEOUT_SECS, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert "permessage-deflate" in result["extensions"]
    large = "0123456789abcdef\U0001f980".encode() * 65536
    expected = [b"hello", bytes([0, 1, 2, 254, 255]), b"", large[:1 << 20],
                "fragmented \u00e4".encode()]
    assert [e["sha1"] for e in result["echoes"]] == [sha1(data) for data in expected]
    assert (result["code"], result["reason"]) == (4001, "that is all")


@pytest.mark.parametrize("path", ["/echo", "/takeover"])
def test_chromium_with_deflate(deflate, path):
    node = tools.node_module("playwright-core")
    chromium = tools.program("chromium")
    done = subprocess.run(
        [node, REPOSITORY / "tests" / "browser" / "deflate.test.js", deflate.addresses[0], path],
        env=dict(os.environ, CHROMIUM=chromium), capture_output=True, text=True,
        timeout=BROWSER_SECS, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    result = json.loads(done.stdout)
    assert "permessage-deflate" in result["extensions"]
    assert (result["wrong"], result["code"]) == ([], 1000)


def test_packed_fragments_of_two_connections_do_not_mix(deflate):
    with wsclient.WebSocket(deflate.address(), fields=OFFER) as one, \
            wsclient.WebSocket(deflate.address(), fields=OFFER) as two:
        texts = [JSON.encode(), JSON.replace("lobby", "attic").encode()]
        packed = [pack(text) for text in texts]
        for at in range(0, max(map(len, packed)), 11):
            for client, data in zip((one, two), packed):
                if at < len(data):
                    client.connection.send(wsclient.frame_bytes(
                        wsclient.CONTINUATION if at else wsclient.TEXT, data[at:at + 11],
                        fin=at + 11 >= len(data), rsv=0 if at else RSV1))
        for client, text in zip((one, two), texts):
            frame = client.receive()
            assert (frame.fin, frame.rsv, frame.opcode) == (True, RSV1, wsclient.TEXT)
            assert len(frame.payload) < len(text) / 2
            assert unpack(frame.payload) == text
            client.close()


def test_a_bomb_gets_1009(deflate):
    with wsclient.WebSocket(deflate.address(), fields=OFFER) as client:
        client.connection.send(
            wsclient.frame_bytes(wsclient.BINARY, pack(bytes((4 << 20) + 1)), rsv=RSV1))
        assert client.receive().code == 1009
    deflate.wait_event("close", code=1009)


def test_rsv1_without_an_agreement_gets_1002(deflate):
    with wsclient.WebSocket(deflate.address()) as client:
        client.connection.send(wsclient.frame_bytes(wsclient.TEXT, pack(b"hello"), rsv=RSV1))
        assert client.receive().code == 1002


def resident_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no VmRSS of {pid}")


def receive_exactly(sock, length):
    data = b""
    while len(data) < length:
        part = sock.recv(length - len(data))
        assert part, "end of file"
        data += part
    return data


def echo_once(address, message):
    """A connection that has echoed one packed message, left open."""
    sock = socket.create_connection(address, TIMEOUT_SECS)
    sock.sendall(raw.upgrade_head(fields=OFFER))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(4096)
    assert b"permessage-deflate" in head, head
    sock.sendall(message)
    first, length = receive_exactly(sock, 2)
    if length == 126:
        length = int.from_bytes(receive_exactly(sock, 2), "big")
    assert first == 0xc1
    assert unpack(receive_exactly(sock, length)) == JSON.encode()
    return sock


def test_connections_that_echoed_one_packed_message_stay_cheap(record_property):
    """The child's memory grows by the connections, not by compressors."""
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(IDLE, hard - 1000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    config = CONFIG.replace("children = 1", "children = 1  capacity = 20000  keepalive = 0s")
    try:
        with Gateway(config) as gateway:
            pid = gateway.children()[0]["pid"]
            message = wsclient.frame_bytes(wsclient.TEXT, pack(JSON.encode()), rsv=RSV1)
            sockets = [echo_once(gateway.address(), message) for _ in range(100)]
            before = resident_bytes(pid)
            sockets += [echo_once(gateway.address(), message) for _ in range(count)]
            each = (resident_bytes(pid) - before) / count
            record_property("bytes_each", each)
            print(f"{count} connections: {each:.0f} bytes each")
            for sock in sockets:
                sock.close()
            assert probes.IS_SANITIZED or each <= IDLE_BYTES
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))

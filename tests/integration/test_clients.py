# SPDX-License-Identifier: MIT
"""The clients that people use, against the echo child: each gets its own bytes back, and each
connection leaves one line when it opens and one when it closes."""

import asyncio
import hashlib
import json
import subprocess
from pathlib import Path

import tools
from gateway import TIMEOUT_SECS
from terminal import Terminal

HERE = Path(__file__).resolve().parent
LARGE = b"0123456789abcdef" * 65536  # 1 MiB
FLAVOURS = "h\u00e4ll\u00f6 \u4e16\u754c \U0001f980"


def check_log(gateway, mark, code):
    """One open and one close line of the same connection, in agreement."""
    opened = gateway.wait_event("open", since=mark)
    close = gateway.wait_event("close", since=mark, id=opened["id"])
    for key in ("client", "route", "pool", "child", "pid"):
        assert opened[key] == close[key], (key, opened, close)
    assert (close["route"], close["pool"], close["code"]) == ("/echo", "echo", str(code)), close
    return close


def sha1(data):
    return hashlib.sha1(data).hexdigest()


def test_ws_echoes_and_closes_with_its_code(echo):
    node = tools.node_module("ws")
    mark = echo.mark()
    done = subprocess.run([node, HERE / "ws_client.js", echo.url()], capture_output=True,
                          text=True, timeout=TIMEOUT_SECS, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    large = "0123456789abcdef\U0001f980".encode() * 65536
    expected = [(b"hello", False), (bytes([0, 1, 2, 254, 255]), True), (b"", False),
                (large[:1 << 20], True), ("fragmented \u00e4".encode(), False)]
    assert [(e["sha1"], e["length"], e["binary"]) for e in result["echoes"]] == [
        (sha1(data), len(data), binary) for data, binary in expected]
    assert result["pong"] == "are you there"
    assert (result["code"], result["reason"]) == (4001, "that is all")
    close = check_log(echo, mark, 4001)
    assert close["by"] == "client"
    assert (close["messages_in"], close["messages_out"]) == ("5", "5"), close


def test_wscat_echoes_what_is_typed_and_closes_with_its_code(echo):
    wscat = tools.program("wscat")
    mark = echo.mark()
    with Terminal([wscat, "--no-color", "--slash", "-c", echo.url()]) as terminal:
        terminal.wait_for("Connected")
        for line in ("hello", FLAVOURS):
            terminal.type_line(line)
            terminal.wait_for(f"< {line}")
        terminal.type_line("/close 4003 enough")
        terminal.wait_for("Disconnected (code: 4003")
        assert terminal.wait_end() == 0
    check_log(echo, mark, 4003)


def test_python_websockets_echoes_text_binary_and_fragments(echo):
    websockets = tools.python_module("websockets")
    mark = echo.mark()

    async def talk():
        async with websockets.connect(echo.url(), max_size=None, compression=None) as ws:
            for message in (FLAVOURS, "", b"\x00\xff" * 100, b"", LARGE, LARGE.decode()):
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["frag", "men", "ted"])
            assert await ws.recv() == "fragmented"
            await ws.send([LARGE[i:i + 4096] for i in range(0, len(LARGE), 4096)])
            assert await ws.recv() == LARGE
            await asyncio.wait_for(await ws.ping(b"12345"), TIMEOUT_SECS)
            await ws.close(3003, "enough")
            return ws.close_code, ws.close_reason

    assert asyncio.run(asyncio.wait_for(talk(), TIMEOUT_SECS)) == (3003, "enough")
    check_log(echo, mark, 3003)


def test_python_websockets_gets_many_messages_back_in_order(echo):
    websockets = tools.python_module("websockets")
    count = 5000

    async def talk():
        async with websockets.connect(echo.url(), compression=None) as ws:
            async def send():
                for number in range(count):
                    await ws.send(f"message {number}")
            sender = asyncio.create_task(send())
            for number in range(count):
                assert await ws.recv() == f"message {number}"
            await sender

    mark = echo.mark()
    asyncio.run(asyncio.wait_for(talk(), TIMEOUT_SECS))
    close = check_log(echo, mark, 1000)
    assert close["messages_in"] == str(count)


def test_websocat_echoes_lines_as_a_person_types_them(echo):
    websocat = tools.program("websocat")
    mark = echo.mark()
    with subprocess.Popen([websocat, echo.url()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as client:
        for line in ("hello", FLAVOURS, "x" * 4000):
            client.stdin.write(line.encode() + b"\n")
            client.stdin.flush()
            assert client.stdout.readline() == line.encode() + b"\n"
        client.stdin.close()
        assert client.wait(TIMEOUT_SECS) == 0, client.stderr.read()
    check_log(echo, mark, 1005)


def test_websocat_echoes_binary_and_closes_with_its_code(echo):
    websocat = tools.program("websocat")
    mark = echo.mark()
    data = bytes(range(256)) * 256
    command = [websocat, "--binary", "--close-status-code", "4002", "--close-reason", "bye"]
    with subprocess.Popen([*command, echo.url()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as client:
        client.stdin.write(data)
        client.stdin.flush()
        assert client.stdout.read(len(data)) == data
        client.stdin.close()
        assert client.wait(TIMEOUT_SECS) == 0, client.stderr.read()
    close = check_log(echo, mark, 4002)
    assert close["messages_in"] == close["messages_out"]

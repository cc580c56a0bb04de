# SPDX-License-Identifier: MIT
"""Hostile and odd requests against the real gateway, see hostile_requests.py: each gets the answer
that its RFC asks for, whole and alone, a clean client is served right after it, and at the end the
gateway holds what it held before."""

import re
import socket
import sys
from collections import Counter

import pytest

import gateway
import hostile_requests as hostile
import probes
import raw
import wsclient

HEAD_TIMEOUT = "1500ms"  # some heads come byte by byte, on a loaded machine too
ANSWER_SECS = 10  # the longest wait is the head's: HEAD_TIMEOUT
MORE_RSS_BYTES = 128 * 1024
SLOW_HEADS = 300
SLOW_HEAD_BYTES = 1024
BEHIND = bytes(64 * 1024)

CONFIG = f"""
limits {{ head_timeout = "{HEAD_TIMEOUT}" }}
pool "echo" {{ command = {{"baton-echo"}}  children = 2 }}
pool "http" {{
    command = {{"{sys.executable}", "{gateway.REPOSITORY}/tests/support/http_child.py"}}
}}
route "/echo" {{ pool = "echo" }}
route "/http" {{ pool = "http"  http = true }}
"""

# What a status obliges to (RFC 9110, 15.5.6, 15.5.22, 10.2.3; RFC 6455, 4.4).
OBLIGED = {405: {"allow": "GET"}, 426: {"sec-websocket-version": "13", "upgrade": "websocket"}}


@pytest.fixture(scope="module", name="server")
def gateway_that_holds_what_it_held():
    with gateway.Gateway(CONFIG) as running:
        for _ in range(100):
            check_clean(running)
        probes.wait_connections(running, open=0, waiting=0)
        before = sorted(probes.descriptors(running.pid).values())
        rss = probes.rss_bytes(running.pid)
        yield running
        probes.wait_connections(running, open=0, waiting=0)
        probes.wait_until(
            lambda: sorted(probes.descriptors(running.pid).values()) == before, "its descriptors")
        more = probes.rss_bytes(running.pid) - rss
        print(f"\nthe gateway's memory: {rss // 1024} KiB before, {more // 1024} KiB more behind")
        assert probes.IS_SANITIZED or more <= MORE_RSS_BYTES


def check_clean(server):
    with wsclient.WebSocket(server.address()) as ws:
        ws.echo("clean")
        ws.close(1000)


def send(connection, row, barrier):
    data, at = row.data, row.at
    if row.how == hostile.BYTEWISE:
        for byte in data:
            connection.send(bytes([byte]))
            barrier()
    elif row.how == hostile.SPLIT:
        connection.send(data[:at])
        barrier()
        connection.send(data[at:])
    elif row.how == hostile.URGENT:
        connection.send(data[:at])
        barrier()
        connection.socket.send(data[at:at + 1], socket.MSG_OOB)
    elif row.how == hostile.BEHIND:
        connection.send(data + BEHIND)
    elif row.how == hostile.PIPELINED:
        connection.send(data + raw.upgrade_head())
    else:
        connection.send(data)
    if row.how == hostile.END:
        connection.end()


def check_refusal(connection, row, server, mark):
    response = connection.read_response(no_body=row.data.startswith(b"HEAD "))
    assert response.status == row.status, (row, response)
    assert "close" in response.headers["connection"].lower()
    for name, value in OBLIGED.get(row.status, {}).items():
        assert response.headers[name] == value, (row, response)
    if row.data.startswith(b"HEAD "):
        assert response.body == b"", (row, response)
    if row.reason:
        refused = server.wait_log(
            rf"event=refuse .*client={re.escape(connection.client)} .*reason=(\S+)", since=mark)
        assert refused[1] == row.reason, row


def check_upgraded(connection, row):
    """What follows a head is frames, whatever it looks like: never a second answer."""
    key = re.search(rb"(?i)sec-websocket-key:\s*(\S+)", row.data)[1].decode()
    ws = wsclient.WebSocket.over(connection, key)
    if row.how in (hostile.BEHIND, hostile.PIPELINED):
        assert ws.wait_close().code == 1002, row
    elif row.how != hostile.END:
        ws.echo("odd, but right")
        ws.send_close(1000)
        assert ws.wait_close().code == 1000
    connection.read_eof()


@pytest.mark.parametrize("row", [row for _, row in hostile.ROWS],
                         ids=[f"{group}-{row.name[:50]}" for group, row in hostile.ROWS])
def test_hostile_request_gets_its_answer_and_the_next_client_is_served(server, barrier, row):
    mark = server.mark()
    with raw.Connection(server.address(), ANSWER_SECS) as connection:
        send(connection, row, lambda: barrier(server))
        if row.status == hostile.CLOSED:
            connection.read_eof()
        elif row.status == 101:
            check_upgraded(connection, row)
        else:
            check_refusal(connection, row, server, mark)
    check_clean(server)


def test_hostile_table_has_no_row_twice():
    rows = Counter((row.data, row.how, row.at) for _, row in hostile.ROWS)
    assert len(rows) >= 300 and not [row for row, count in rows.items() if count > 1]


def test_slow_heads_hold_little_memory_and_nobody_up(start):
    server = start(CONFIG.replace(HEAD_TIMEOUT, "1m"))
    for _ in range(20):
        check_clean(server)
    rss = probes.rss_bytes(server.pid)
    held = [raw.Connection(server.address()) for _ in range(SLOW_HEADS)]
    for connection in held:
        connection.send(hostile.HALF)
    check_clean(server)
    more = probes.rss_bytes(server.pid) - rss
    assert probes.IS_SANITIZED or more <= SLOW_HEADS * SLOW_HEAD_BYTES, f"{more} bytes more"
    for byte in hostile.GOOD[len(hostile.HALF):]:
        for connection in held:
            connection.send(bytes([byte]))
        check_clean(server)
    for connection in held:
        with wsclient.WebSocket.over(connection) as ws:
            ws.close(1000)

# SPDX-License-Identifier: MIT
"""What a child says of itself in its PONG, and what becomes of one that says nonsense."""

import sys

import pytest

from probes import children, pool, wait_until

CHILD = '''
import socket, struct, sys
channel = socket.socket(fileno=3)
while True:
    packet = channel.recv(65536)
    if not packet:
        break
    answer = {1: (65, b""), 7: (69, sys.argv[1].replace(",", "\\0").encode())}.get(packet[1])
    if answer:
        channel.send(struct.pack("<BBHIQ", 1, answer[0], 0, len(answer[1]), 0) + answer[1])
'''


@pytest.fixture
def child_file(tmp_path):
    path = tmp_path / "pong.py"
    path.write_text(CHILD)
    return str(path)


def config(child_file, pong):
    return pool((sys.executable, child_file, pong), children=1, options='ping_interval = "100ms"')


def test_lag_and_skipped_messages_of_a_pong_stand_in_the_status(serve, child_file):
    gateway = serve(config(child_file, "LAG_MS=5,SKIPPED=7,"))
    wait_until(lambda: (children(gateway)[0]["lag_ms"], children(gateway)[0]["skipped"]) == (5, 7),
               "lag and skipped of the PONG")


@pytest.mark.parametrize("pong", ["LAG_MS=five,", "SKIPPED=-1,"])
def test_pong_with_a_number_that_is_none_costs_the_child_its_life(serve, child_file, pong):
    gateway = serve(config(child_file, pong))
    assert "PONG" in gateway.wait_event("child-broken")["reason"]

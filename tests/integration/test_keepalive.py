# SPDX-License-Identifier: MIT
"""Pings from a real child: answered ones keep a client, missing ones end it and are told apart."""

import wsclient
from gateway import Gateway

CONFIG = """
pool "echo"   { command = {"baton-echo"}  children = 1  keepalive = "1s" }
route "/echo" { pool = "echo" }
"""


def wait_ping(client):
    frame = client.receive()
    assert (frame.opcode, frame.payload) == (wsclient.PING, b"")


def test_keepalive_keeps_who_answers_and_ends_who_does_not():
    with Gateway(CONFIG) as gateway:
        with wsclient.WebSocket(gateway.address()) as alive, \
                wsclient.WebSocket(gateway.address()) as silent:
            for _ in range(3):  # longer than who does not answer has
                wait_ping(alive)
                alive.send(wsclient.PONG)
            wait_ping(silent)
            close = gateway.wait_event("close")
            assert (close["code"], close["by"]) == ("1006", "keepalive"), close
            silent.connection.read_eof()
            assert len(gateway.events("close")) == 1
            alive.close()


def test_keepalive_of_0s_is_off():
    with Gateway(CONFIG.replace("1s", "0s")) as gateway:
        with wsclient.WebSocket(gateway.address()) as client:
            client.echo("no ping is between")
            client.close()
        assert gateway.wait_event("close")["by"] == "client"

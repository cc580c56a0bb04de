#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""python_child.py with packets that no library would send: what ?rogue=NAME in a request names is
sent when the offer has been taken. For the integration tests; baton-fault has the other faults."""

import os
import signal
import socket
import struct
import sys

from python_child import (CLOSED, CONNECTION, HEADER, MAX_PACKET, PONG, READY, REFUSED, REPORT,
                          TAKEN, Child, write_pairs)

UNKNOWN, ALLOW, DENY = 200, 75, 76


def packet(kind, ident=0, payload=b"", version=1, reserved=0, surplus=0):
    return HEADER.pack(version, kind, reserved, len(payload) + surplus, ident) + payload


def report(ident):
    return REPORT.pack(ident, 0, 0, 0, 0, 1000, 0, 0)


def send_fds(channel, data, count):
    fds = [os.dup(0) for _ in range(count)]
    socket.send_fds(channel, [data], fds)
    for fd in fds:
        os.close(fd)


ROGUES = {
    "empty": lambda c, i: c.send(b""),
    "half-header": lambda c, i: c.send(packet(PONG)[:15]),
    "too-large": lambda c, i: c.send(packet(UNKNOWN, payload=bytes(MAX_PACKET + 1 - 16))),
    "length-too-large": lambda c, i: c.send(packet(PONG, surplus=1)),
    "length-too-small": lambda c, i: c.send(packet(PONG, payload=b"A=\0", surplus=-1)),
    "reserved": lambda c, i: c.send(packet(PONG, reserved=1)),
    "253-descriptors": lambda c, i: send_fds(c, packet(UNKNOWN), 253),
    "descriptor-with-taken": lambda c, i: send_fds(c, packet(TAKEN, i), 1),
    "shutdown": lambda c, i: c.shutdown(socket.SHUT_RDWR),
    "ready-twice": lambda c, i: c.send(packet(READY)),
    "ready-no-number": lambda c, i: c.send(packet(READY, payload=write_pairs(CAPACITY="many"))),
    "ready-no-room": lambda c, i: c.send(packet(READY, payload=write_pairs(CAPACITY=0))),
    "pong-without-ping": lambda c, i: [c.send(packet(PONG)) for _ in range(2)],
    "refused-after-taken": lambda c, i: c.send(packet(REFUSED, i)),
    "refused-200": lambda c, i: c.send(packet(REFUSED, i, write_pairs(STATUS=200))),
    "closed-empty": lambda c, i: c.send(packet(CLOSED)),
    "closed-twice": lambda c, i: c.send(packet(CLOSED, payload=report(i) * 2)),
    "taken-of-id-0": lambda c, i: c.send(packet(TAKEN)),
    "allow": lambda c, i: c.send(packet(ALLOW, i)),
    "deny": lambda c, i: c.send(packet(DENY, i)),
    "no-pairs": lambda c, i: c.send(packet(PONG, payload=b"no pair")),
    # These are no breach: what a newer child might send, and all that one packet may hold.
    "unknown-type": lambda c, i: c.send(packet(UNKNOWN, i, b"\xff\0anything")),
    "full-packet": lambda c, i: c.send(packet(UNKNOWN, payload=bytes(MAX_PACKET - 16))),
}


def leave_lingering(client):
    """Who closes it last would wait for an hour, as its client does not read."""
    client.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    try:
        while True:
            client.send(bytes(65536))
    except BlockingIOError:
        client.close()


class Rogue(Child):
    def handle_message(self, kind, ident, pairs, sockets, flags):
        if kind == CONNECTION and b"linger=" in pairs["QUERY_STRING"]:
            leave_lingering(sockets.pop())
            if pairs["QUERY_STRING"].endswith(b"taken"):
                self.channel.send(packet(TAKEN, ident))
                self.channel.send(packet(CLOSED, payload=report(ident)))
            else:
                self.channel.send(packet(REFUSED, ident, write_pairs(STATUS=503)))
            return
        super().handle_message(kind, ident, pairs, sockets, flags)
        if kind == CONNECTION:
            query = dict(part.split("=", 1) for part in
                         pairs["QUERY_STRING"].decode("latin-1").split("&") if "=" in part)
            if "rogue" in query:
                ROGUES[query["rogue"]](self.channel, ident)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    del os.environ["BATON_PROTOCOL"]
    Rogue(int(os.environ.pop("BATON_FD"))).run()
    sys.exit(0)

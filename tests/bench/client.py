# SPDX-License-Identifier: MIT
"""A WebSocket client of a few lines, for what the load generator cannot do. It is slow, which does
not matter where only the server's CPU time counts."""

import os
import socket
import struct

FIN, RSV1, TEXT, BINARY, MASKED = 0x80, 0x40, 0x01, 0x02, 0x80
TIMEOUT_SECS = 20
REQUEST = (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")


def connect(port, more=b""):
    """(the socket, the head of the 101). more: lines of the request's head."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(REQUEST + more + b"\r\n")
    reply = b""
    while b"\r\n\r\n" not in reply:
        piece = sock.recv(4096)
        if not piece:
            break
        reply += piece
    if not reply.startswith(b"HTTP/1.1 101 "):
        raise RuntimeError(f"no 101 but {reply[:80]!r}")
    return sock, reply


def frame(first, payload):
    """The client's frame; first: its first byte."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    size = len(payload)
    length = bytes([MASKED | size]) if size < 126 else struct.pack("!BH", MASKED | 126, size)
    return bytes([first]) + length + mask + masked


def receive(sock, size):
    whole = sock.recv(size)
    while len(whole) < size:
        piece = sock.recv(size - len(whole))
        if not piece:
            raise RuntimeError("the server ended a connection")
        whole += piece
    return whole

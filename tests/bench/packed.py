# SPDX-License-Identifier: MIT
"""permessage-deflate through the whole of baton: CPU a message, and what a connection then holds.

The client here is slow, which does not matter: only the server's CPU time counts. It checks every
byte that comes back; without takeover the same message comes back as the same bytes.
"""

import os
import resource
import socket
import struct
import time
import zlib

import generator
import processes
import servers

CONNECTIONS, IN_FLIGHT = 50, 16
TURNS = 15  # of a round
HELD, SPARE_DESCRIPTORS = 10_000, 100
NEGOTIATED_BYTES, ECHOED_BYTES = 384, 512
LEVEL, RAW_WINDOW = 6, -15
TIMEOUT_SECS = 20
FIN, RSV1, TEXT, MASKED = 0x80, 0x40, 0x01, 0x80
TAIL = b"\0\0\xff\xff"  # RFC 7692, 7.2.1
REQUEST = (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")


def _frame(message):
    """The client's frame of one packed message."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW_WINDOW)
    payload = (packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH))[:-len(TAIL)]
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    size = len(payload)
    length = bytes([MASKED | size]) if size < 126 else struct.pack("!BH", MASKED | 126, size)
    return bytes([FIN | RSV1 | TEXT]) + length + mask + masked


def _open(port):
    sock = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECS)
    sock.sendall(REQUEST)
    reply = b""
    while b"\r\n\r\n" not in reply:
        piece = sock.recv(4096)
        if not piece:
            raise RuntimeError("no answer to an upgrade")
        reply += piece
    if not reply.startswith(b"HTTP/1.1 101 "):
        raise RuntimeError(f"no 101 but {reply[:40]!r}")
    if b"permessage-deflate" not in reply:
        sock.close()
        return None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _receive(sock, size):
    whole = sock.recv(size)
    while len(whole) < size:
        piece = sock.recv(size - len(whole))
        if not piece:
            raise RuntimeError("the server ended a connection")
        whole += piece
    return whole


def _first_echo(sock, message):
    """Echoes once; gives the server's frame, whose content it has checked."""
    sock.sendall(_frame(message))
    head = _receive(sock, 2)
    size = head[1] if head[1] < 126 else None
    extended = b"" if size is not None else _receive(sock, 2)
    payload = _receive(sock, size if size is not None else struct.unpack("!H", extended)[0])
    if head[0] != FIN | RSV1 | TEXT:
        raise RuntimeError(f"the echo is not one packed text: {head[0]:#x}")
    if zlib.decompressobj(RAW_WINDOW).decompress(payload + TAIL) != message:
        raise RuntimeError("the echo is not what was sent")
    return head + extended + payload


def _echo_for(socks, seconds, message, expected):
    """How many messages were echoed."""
    burst = b"".join(_frame(message) for _ in range(IN_FLIGHT))
    answer = expected * IN_FLIGHT
    count = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for sock in socks:
            sock.sendall(burst)
        for sock in socks:
            if _receive(sock, len(answer)) != answer:
                raise RuntimeError("an echo is not what was sent")
            count += IN_FLIGHT
    return count


def _start(command="baton-echo"):
    return servers.baton(1, command, pool=f"deflate = true\n\tdeflate_level = {LEVEL}")


def _turn_ns(server, socks, seconds, message, expected):
    before = server.cpu()
    count = _echo_for(socks, seconds, message, expected)
    after = server.cpu()
    return sum(after[pid] - before.get(pid, 0) for pid in after) / count


def echo_ns(options, message, beside):
    """[(CPU ns a message, what beside() gave), ...]: a round each, the two by turns; or None: baton
    does not speak permessage-deflate. The best of a round's short turns counts, as beside zlib."""
    costs = []
    with _start() as server:
        socks = [_open(server.port) for _ in range(CONNECTIONS)]
        if None in socks:
            return None
        expected = [_first_echo(sock, message) for sock in socks][0]
        _echo_for(socks, options.seconds / 3, message, expected)
        for _ in range(options.rounds):
            with processes.pinned(generator.LOAD_CPU):
                best = min(_turn_ns(server, socks, options.seconds / TURNS, message, expected)
                           for _ in range(TURNS))
            costs.append((best, beside()))
        for sock in socks:
            sock.close()
    return costs


def _grown(pid, before, count):
    after = processes.memory(pid)
    return max(after[kind] - before[kind] for kind in ("Private", "Rss")) / count


def held_bytes(message):
    """(connections, bytes each when negotiated, bytes each after one echo) in the child."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = HELD if most == resource.RLIM_INFINITY else min(HELD, most - SPARE_DESCRIPTORS)
    try:
        with _start() as server:
            child = server.children()[0]
            warm = [_open(server.port) for _ in range(4)]
            expected = [_first_echo(sock, message) for sock in warm][0]
            server.cpu()
            before = processes.memory(child)
            socks = [_open(server.port) for _ in range(count)]
            server.cpu()
            negotiated = _grown(child, before, count)
            frame = _frame(message)
            for sock in socks:
                sock.sendall(frame)
                if _receive(sock, len(expected)) != expected:
                    raise RuntimeError("an echo is not what was sent")
            server.cpu()
            echoed = _grown(child, before, count)
            for sock in warm + socks:
                sock.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
    return count, negotiated, echoed

# SPDX-License-Identifier: MIT
"""permessage-deflate through the whole of baton: CPU a message, and what a connection then holds.

The client checks every byte that comes back; without takeover the same message comes back as the
same bytes.
"""

import resource
import struct
import time
import zlib

import client
import generator
import processes
import servers

CONNECTIONS, IN_FLIGHT = 50, 16
TURNS = 15  # of a round
HELD, SPARE_DESCRIPTORS = 10_000, 100
NEGOTIATED_BYTES, ECHOED_BYTES = 384, 512
LEVEL, RAW_WINDOW = 6, -15
FIRST = client.FIN | client.RSV1 | client.TEXT
TAIL = b"\0\0\xff\xff"  # RFC 7692, 7.2.1
OFFER = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


def _frame(message):
    """The client's frame of one packed message."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW_WINDOW)
    payload = (packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH))[:-len(TAIL)]
    return client.frame(FIRST, payload)


def _open(port):
    """None: the server does not take the offer."""
    sock, reply = client.connect(port, OFFER)
    if b"permessage-deflate" not in reply:
        sock.close()
        return None
    return sock


def _first_echo(sock, message):
    """Echoes once; gives the server's frame, whose content it has checked."""
    sock.sendall(_frame(message))
    head = client.receive(sock, 2)
    size = head[1] if head[1] < 126 else None
    extended = b"" if size is not None else client.receive(sock, 2)
    payload = client.receive(sock, size if size is not None else struct.unpack("!H", extended)[0])
    if head[0] != FIRST:
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
            if client.receive(sock, len(answer)) != answer:
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
                if client.receive(sock, len(expected)) != expected:
                    raise RuntimeError("an echo is not what was sent")
            server.cpu()
            echoed = _grown(child, before, count)
            for sock in warm + socks:
                sock.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
    return count, negotiated, echoed

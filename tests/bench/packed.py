# SPDX-License-Identifier: MIT
"""permessage-deflate through the whole of baton: CPU a message, and what a connection then holds.

The client checks every byte that comes back; without takeover the same message comes back as the
same bytes (nearly always: Node's zlib has its moods).
"""

import resource
import struct
import time
import zlib
from contextlib import ExitStack

import client
import generator
import processes
import servers
from costs import WARM_UP_SECS

CONNECTIONS, IN_FLIGHT = 50, 16
TURNS = 15  # of a round
HELD, SPARE_DESCRIPTORS = 10_000, 100
NEGOTIATED_BYTES, ECHOED_BYTES = 384, 512
LEVEL, RAW_WINDOW = 6, -15
FIRST = client.FIN | client.RSV1 | client.TEXT
TAIL = b"\0\0\xff\xff"  # RFC 7692, 7.2.1
TERMS = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def _frame(message):
    """The client's frame of one packed message."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW_WINDOW)
    payload = (packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH))[:-len(TAIL)]
    return client.frame(FIRST, payload)


def _open(port):
    """None: the server does not take the offer."""
    sock, reply = client.connect(port, b"Sec-WebSocket-Extensions: " + TERMS + b"\r\n")
    if TERMS not in reply:
        sock.close()
        return None
    return sock


def _count_echoes(data, message):
    """How many whole frames there are; each must be one packed message."""
    at = count = 0
    while len(data) >= at + 4:
        begin, size = at + 2, data[at + 1]
        if size == 126:
            begin, size = at + 4, struct.unpack_from("!H", data, at + 2)[0]
        if len(data) < begin + size:
            break
        if data[at] != FIRST:
            raise RuntimeError(f"the echo is not one packed text: {data[at]:#x}")
        payload = data[begin:begin + size]
        if zlib.decompressobj(RAW_WINDOW).decompress(payload + TAIL) != message:
            raise RuntimeError("an echo is not what was sent")
        at = begin + size
        count += 1
    return count


def _receive_echoes(sock, message, count, expected=b""):
    """The server's frames. expected: what they most probably are; all else is unpacked."""
    data = b""
    while not data or data != expected:
        piece = sock.recv(65536)
        if not piece:
            raise RuntimeError("the server ended a connection")
        data += piece
        if not expected.startswith(data) and _count_echoes(data, message) == count:
            break
    return data


def _first_echo(sock, message):
    """Echoes once; gives the server's frame, whose content it has checked."""
    sock.sendall(_frame(message))
    return _receive_echoes(sock, message, 1)


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
            _receive_echoes(sock, message, IN_FLIGHT, answer)
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
    """{name: [CPU ns a message, a round each]} of the servers and, as "zlib", what beside() gave,
    by turns; [] for a server that does not speak permessage-deflate. The best of a round's short
    turns counts, as beside zlib."""
    wanted = [servers.lws("--deflate", LEVEL)] if servers.have_lws() else []
    wanted += [servers.node_ws("--deflate", LEVEL)] if servers.node_modules() else []
    wanted += [] if options.no_baton else [_start()]  # last, next to zlib
    costs, sessions = {server.name: [] for server in wanted}, []
    with ExitStack() as stack:
        for server in wanted:
            stack.enter_context(server)
            socks = [_open(server.port) for _ in range(CONNECTIONS)]
            if None in socks:
                continue
            for sock in socks:
                stack.enter_context(sock)
            expected = [_first_echo(sock, message) for sock in socks][0]
            warm_up = WARM_UP_SECS if server.name.startswith("node") else options.seconds / 3
            _echo_for(socks, warm_up, message, expected)
            sessions.append((server, socks, expected))
        costs["zlib"] = []
        for _ in range(options.rounds):
            for server, socks, expected in sessions:
                with processes.pinned(generator.LOAD_CPU):
                    costs[server.name].append(min(
                        _turn_ns(server, socks, options.seconds / TURNS, message, expected)
                        for _ in range(TURNS)))
            costs["zlib"].append(beside())
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
                _receive_echoes(sock, message, 1, expected)
            server.cpu()
            echoed = _grown(child, before, count)
            for sock in warm + socks:
                sock.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
    return count, negotiated, echoed

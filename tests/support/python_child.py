#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A complete baton child in plain Python: an echo server, written from docs/protocol.md alone.

One thread, one selector, the standard library. It is a reference for other languages, so it does
everything the protocol asks for and nothing fast: sends on the channel simply wait for room, and
a drain closes all connections at once instead of spreading them.
"""

import base64
import hashlib
import os
import resource
import selectors
import signal
import socket
import struct
import sys
import time

HELLO, CONNECTION, CLOSE, PING, DRAIN = 1, 2, 6, 7, 8
READY, TAKEN, REFUSED, CLOSED, PONG, LOG = 65, 66, 67, 68, 69, 74
HEADER = struct.Struct("<BBHIQ")    # version, type, reserved, length, id
REPORT = struct.Struct("<5Q2HI")    # of CLOSED
MAX_PACKET = 48 * 1024
OWN_DESCRIPTORS = 16
CLOSING_SECS = 5                    # for the client's answer to our Close

OP_CONTINUATION, OP_TEXT, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG = 0, 1, 2, 8, 9, 10
NO_CODE, ABNORMAL = 1005, 1006
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def read_pairs(payload):
    """Values stay bytes; the first of equal keys counts."""
    pairs = {}
    for pair in payload.split(b"\0")[:-1]:
        key, _, value = pair.partition(b"=")
        pairs.setdefault(key.decode("ascii"), value)
    return pairs


def write_pairs(**pairs):
    return b"".join(f"{key}={value}".encode() + b"\0" for key, value in pairs.items())


def head_field(head, name):
    """The first field of this name; its line is there as "Name: value"."""
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return b""


def unmask(data, key):
    repeated = (key * (len(data) // 4 + 1))[:len(data)]
    number = int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(len(data), "big")


def frame(opcode, payload):
    if len(payload) < 126:
        return bytes([0x80 | opcode, len(payload)]) + payload
    if len(payload) < 65536:
        return bytes([0x80 | opcode, 126]) + struct.pack("!H", len(payload)) + payload
    return bytes([0x80 | opcode, 127]) + struct.pack("!Q", len(payload)) + payload


class Failure(Exception):
    """The client broke RFC 6455: args[0] is the close code for it."""


class Connection:
    """One client, from TAKEN to CLOSED."""

    def __init__(self, child, ident, sock, head):
        self.child, self.ident, self.sock = child, ident, sock
        self.sock.setblocking(False)
        self.unread, self.unsent = bytearray(), bytearray()
        self.opcode, self.message = 0, bytearray()      # of the message that has begun
        self.bytes_in = self.bytes_out = self.messages_in = self.messages_out = 0
        self.code, self.who = ABNORMAL, 0
        self.deadline = None                            # set when a Close was sent
        self.ending = False                             # reads no more; ends when all is sent
        self.lingers = False                            # and when the client has ended its side
        child.connections[ident] = self
        child.selector.register(sock, selectors.EVENT_READ, self.handle)
        digest = hashlib.sha1(head_field(head, b"sec-websocket-key") + GUID).digest()
        answer = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                  b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
                  + base64.b64encode(digest) + b"\r\n\r\n")
        self.bytes_out -= len(answer)                   # the handshake does not count
        self.write(answer)

    def handle(self, events):
        if events & selectors.EVENT_WRITE:
            self.flush()
        if events & selectors.EVENT_READ and self.ident in self.child.connections:
            try:
                data = self.sock.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.end()
            elif not self.ending:
                self.bytes_in += len(data)
                self.unread += data
                self.read_frames()

    def read_frames(self):
        try:
            while not self.ending and self.read_frame():
                pass
        except Failure as failure:
            # Closing with unread data would send a reset, which overtakes our Close.
            self.ending = self.lingers = True
            self.close(failure.args[0])

    def read_frame(self):
        """Handles one frame of unread; False when it is not all there."""
        data = self.unread
        if len(data) < 2:
            return False
        final, opcode, length, at = data[0] >> 7, data[0] & 15, data[1] & 127, 2
        if data[0] & 0x70 or not data[1] & 0x80 or opcode not in (0, 1, 2, 8, 9, 10):
            raise Failure(1002)
        if opcode >= 8 and (not final or length > 125):
            raise Failure(1002)
        if length >= 126:
            at = 4 if length == 126 else 10
            if len(data) < at:
                return False
            least, length = (126, 65536)[at == 10], int.from_bytes(data[2:at], "big")
            if length < least or length >> 63:
                raise Failure(1002)
        if opcode < 8:
            if (opcode == OP_CONTINUATION) != (self.opcode != 0):
                raise Failure(1002)
            if len(self.message) + length > self.child.message_limit:
                raise Failure(1009)
        if len(data) < at + 4 + length:
            return False
        payload = unmask(data[at + 4:at + 4 + length], bytes(data[at:at + 4]))
        del data[:at + 4 + length]
        if opcode < 8:
            self.handle_data(opcode, payload, final)
        elif opcode == OP_CLOSE:
            self.handle_close(payload)
        elif opcode == OP_PING and self.deadline is None:
            self.write(frame(OP_PONG, payload))
        return True

    def handle_data(self, opcode, payload, final):
        self.opcode = self.opcode or opcode
        self.message += payload
        if not final:
            return
        opcode, message = self.opcode, bytes(self.message)
        self.opcode, self.message = 0, bytearray()
        if opcode == OP_TEXT:
            try:
                message.decode("utf-8")
            except UnicodeDecodeError:
                raise Failure(1007) from None
        self.messages_in += 1
        if self.deadline is None:                       # else our Close was the last we say
            self.messages_out += 1
            self.write(frame(opcode, message))

    def handle_close(self, payload):
        code = int.from_bytes(payload[:2], "big") if payload else NO_CODE
        known = code in range(1000, 1015) and code not in (1004, 1005, 1006)
        if payload and (len(payload) < 2 or not (known or 3000 <= code <= 4999)):
            raise Failure(1002)
        try:
            payload[2:].decode("utf-8")
        except UnicodeDecodeError:
            raise Failure(1007) from None
        self.ending = True
        if self.deadline is None:
            self.code = code
            self.send_close(payload)
        else:
            self.flush()

    def close(self, code, reason=b""):
        """The close that we begin."""
        if self.deadline is None:
            self.code, self.who = code, 1
            self.send_close(struct.pack("!H", code) + reason[:123])
        else:
            self.flush()

    def send_close(self, payload):
        self.deadline = time.monotonic() + CLOSING_SECS
        self.write(frame(OP_CLOSE, payload))

    def write(self, data):
        self.unsent += data
        self.bytes_out += len(data)
        self.flush()
        if len(self.unsent) > self.child.send_limit:    # it sends and does not read
            self.code, self.who = 1008, 1
            self.end()

    def flush(self):
        try:
            while self.unsent:
                del self.unsent[:self.sock.send(self.unsent)]
            if self.ending and self.lingers:
                self.sock.shutdown(socket.SHUT_WR)
            elif self.ending:
                self.end()
        except BlockingIOError:
            pass
        except OSError:
            self.end()
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.unsent else 0)
        if self.ident in self.child.connections:
            self.child.selector.modify(self.sock, wanted, self.handle)

    def end(self):
        self.ending = True
        if self.child.connections.pop(self.ident, None) is not None:
            self.child.selector.unregister(self.sock)
            self.sock.close()
            self.child.reports.append(REPORT.pack(
                self.ident, self.bytes_in, max(0, self.bytes_out - len(self.unsent)),
                self.messages_in, self.messages_out, self.code, self.who, 0))


class Child:
    def __init__(self, fd):
        self.channel = socket.socket(fileno=fd)         # None once the gateway is gone
        os.set_inheritable(fd, False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.channel, selectors.EVENT_READ, self.handle_channel)
        self.connections, self.reports, self.logged = {}, [], set()
        self.message_limit = self.send_limit = 1 << 20
        self.drain_deadline = None

    def send(self, kind, ident=0, payload=b""):
        """Waits for room. Without a gateway nobody listens, and the clients are served on."""
        if self.channel is not None:
            try:
                self.channel.send(HEADER.pack(1, kind, 0, len(payload), ident) + payload)
            except OSError:
                pass                                    # the end of file follows

    def log(self, text):
        if text not in self.logged:                     # many lines would be a flood
            self.logged.add(text)
            self.send(LOG, payload=write_pairs(LEVEL="warning", TEXT=text))

    def handle_channel(self, _events):
        try:
            packet, fds, flags, _ = socket.recv_fds(
                self.channel, MAX_PACKET, 4, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, ConnectionResetError):
            return                                      # taken back; or more is there to be read
        except OSError:
            packet, fds, flags = b"", [], 0
        if not packet:
            self.selector.unregister(self.channel)
            self.channel.close()
            self.channel = None
            return
        sockets = [socket.socket(fileno=fd) for fd in fds]
        version, kind, reserved, length, ident = HEADER.unpack(packet[:16].ljust(16, b"\0"))
        surplus = len(sockets) > (1 if kind == CONNECTION else 0)
        if surplus or (version, reserved, length) != (1, 0, len(packet) - HEADER.size):
            self.log("malformed message, ignoring")
        else:
            self.handle_message(kind, ident, read_pairs(packet[HEADER.size:]), sockets, flags)
        for left in sockets:
            left.close()

    def handle_message(self, kind, ident, pairs, sockets, flags):
        if kind == HELLO:
            self.message_limit = int(pairs.get("MESSAGE_LIMIT", self.message_limit))
            self.send_limit = int(pairs.get("SEND_LIMIT", self.send_limit))
            most = max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OWN_DESCRIPTORS)
            most = min(most, int(pairs.get("CAPACITY", most)))
            self.send(READY, payload=write_pairs(CAPACITY=most))
        elif kind == CONNECTION:
            whole = len(sockets) == 1 and not flags & socket.MSG_CTRUNC and "HEAD" in pairs
            if not whole or self.drain_deadline is not None:
                self.send(REFUSED, ident)
                return
            if not head_field(pairs["HEAD"], b"sec-websocket-key"):
                self.send(REFUSED, ident, write_pairs(STATUS=400))  # plain HTTP, of http = true
                return
            self.send(TAKEN, ident)                     # before anything else
            Connection(self, ident, sockets.pop(), pairs["HEAD"])
        elif kind == CLOSE and ident in self.connections:
            self.connections[ident].close(int(pairs.get("CODE", 1001)), pairs.get("REASON", b""))
        elif kind == PING:
            self.send(PONG, payload=write_pairs(CONNECTIONS=len(self.connections)))
        elif kind == DRAIN:
            self.drain_deadline = time.monotonic() + int(pairs.get("DEADLINE_MS", 0)) / 1000
            for connection in list(self.connections.values()):
                connection.close(1001)
        elif kind != CLOSE:
            self.log(f"message of unknown type {kind}, ignoring")

    def run(self):
        while not self.is_over():
            for key, events in self.selector.select(self.wait_secs()):
                if key.fileobj.fileno() >= 0:           # not closed earlier in this turn
                    key.data(events)
            now = time.monotonic()
            for connection in list(self.connections.values()):
                if connection.deadline is not None and connection.deadline <= now:
                    connection.end()
            while self.reports:
                batch, self.reports = self.reports[:500], self.reports[500:]
                self.send(CLOSED, payload=b"".join(batch))

    def wait_secs(self):
        deadlines = [c.deadline for c in self.connections.values() if c.deadline is not None]
        if self.drain_deadline is not None:
            deadlines.append(self.drain_deadline)
        return max(0, min(deadlines) - time.monotonic()) if deadlines else None

    def is_over(self):
        leaving = self.channel is None or self.drain_deadline is not None
        late = self.drain_deadline is not None and self.drain_deadline <= time.monotonic()
        return late or (leaving and not self.connections)


def main():
    if "BATON_FD" not in os.environ:
        print(f"this program is a baton child: start it with  baton serve --child {sys.argv[0]}",
              file=sys.stderr)
        return 2
    if os.environ.pop("BATON_PROTOCOL", "") != "1":
        print("BATON_PROTOCOL is not 1: the gateway speaks another version", file=sys.stderr)
        return 2
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    Child(int(os.environ.pop("BATON_FD"))).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""A WebSocket client of the standard library alone (RFC 6455), for tests that need every bit in
their hands: frames are built and read one by one, nothing happens by itself."""

import base64
import hashlib
import os
import struct
from dataclasses import dataclass

import raw

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass
class Frame:
    fin: bool
    rsv: int
    opcode: int
    payload: bytes

    @property
    def code(self):
        """A Close frame's code; 1005 when it has none (RFC 6455, 7.1.5)."""
        return struct.unpack("!H", self.payload[:2])[0] if self.payload else 1005

    @property
    def reason(self):
        return self.payload[2:].decode("utf-8")


def mask_bytes(data, key):
    if not data:
        return b""
    repeated = (key * (len(data) // 4 + 1))[:len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(
        len(data), "big")


def frame_bytes(opcode, payload=b"", fin=True, rsv=0, mask=True):
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + mask_bytes(payload, key)


class WebSocket:
    """Connects and checks the 101. early: bytes that leave in the same packet as the head."""

    def __init__(self, address, path="/echo", host="127.0.0.1", fields=(), early=b"", head=None):
        key = base64.b64encode(os.urandom(16)).decode()
        self.connection = raw.Connection(address)
        try:
            if head is None:
                head = raw.upgrade_head(path, host, fields, key)
            else:
                key = raw.KEY
            self.connection.send(head + early)
            self.response = self.check_handshake(key)
        except BaseException:
            self.connection.close()
            raise

    @classmethod
    def over(cls, connection, key=raw.KEY):
        """Over a connection on which the head was already sent."""
        self = cls.__new__(cls)
        self.connection = connection
        self.response = self.check_handshake(key)
        return self

    def check_handshake(self, key):
        response = self.connection.read_head()
        assert response.status == 101, (response, self.connection.buffer)
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        assert response.headers["sec-websocket-accept"] == accept
        assert response.headers["upgrade"].lower() == "websocket"
        assert response.headers["connection"].lower() == "upgrade"
        return response

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def send(self, opcode, payload=b"", **how):
        self.connection.send(frame_bytes(opcode, payload, **how))

    def send_text(self, text):
        self.send(TEXT, text.encode("utf-8"))

    def receive(self):
        """The next frame, of whatever kind."""
        first, second = self.connection.read_exactly(2)
        assert not second & 0x80, "a server's frame is masked"
        length = second & 0x7f
        if length == 126:
            (length,) = struct.unpack("!H", self.connection.read_exactly(2))
            assert length >= 126, "length is not minimal"
        elif length == 127:
            (length,) = struct.unpack("!Q", self.connection.read_exactly(8))
            assert length >= 65536, "length is not minimal"
        payload = self.connection.read_exactly(length)
        return Frame(bool(first & 0x80), first >> 4 & 7, first & 0x0f, payload)

    def receive_message(self):
        """(opcode, payload) of the next data message; answers pings on the way."""
        opcode, parts = None, []
        while True:
            frame = self.receive()
            if frame.opcode == PING:
                self.send(PONG, frame.payload)
                continue
            if frame.opcode == PONG:
                continue
            assert frame.opcode in (CONTINUATION, TEXT, BINARY), frame
            assert (frame.opcode == CONTINUATION) == (opcode is not None), frame
            opcode = opcode or frame.opcode
            parts.append(frame.payload)
            if frame.fin:
                return opcode, b"".join(parts)

    def echo(self, payload, opcode=TEXT):
        """Sends a message and checks that the very same comes back."""
        payload = payload.encode("utf-8") if isinstance(payload, str) else payload
        self.send(opcode, payload)
        assert self.receive_message() == (opcode, payload)

    def send_close(self, code=1000, reason=""):
        self.send(CLOSE, struct.pack("!H", code) + reason.encode("utf-8"))

    def wait_close(self):
        """The Close frame, after which nothing but the end of file may come."""
        frame = self.receive()
        while frame.opcode != CLOSE:
            frame = self.receive()
        return frame

    def close(self, code=1000, reason=""):
        """The whole closing handshake from our side; gives the answer."""
        self.send_close(code, reason)
        answer = self.wait_close()
        self.connection.read_eof()
        self.connection.close()
        return answer

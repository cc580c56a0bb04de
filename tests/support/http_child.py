#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A child for routes with http = true: answers each plain request with what it was told and sent,
as JSON, and tells it to a WebSocket whose query has "tell" as its first message. One request after
the other, with blocking reads: good enough for a test alone."""

import base64
import json
import os
import signal
import socket
import sys

import python_child as protocol

SECS = 10


class Refused(Exception):
    """The body cannot be read: args[0] is the status for it."""


class Reader:
    """What is still in the socket behind the head."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Refused(400)
        self.buffer += data

    def exactly(self, count):
        while len(self.buffer) < count:
            self.more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def chunks(self):
        body = b""
        while True:
            size = self.line().split(b";")[0]
            if not size or size.strip(b"0123456789abcdefABCDEF") or len(size) > 8:
                raise Refused(400)
            if int(size, 16) == 0:
                break
            body += self.exactly(int(size, 16))
            if self.exactly(2) != b"\r\n":
                raise Refused(400)
        while self.line():                              # trailers
            pass
        return body


def read_body(sock, head):
    if protocol.head_field(head, b"expect").lower() == b"100-continue":
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if protocol.head_field(head, b"transfer-encoding") == b"chunked":
        return Reader(sock).chunks()
    return Reader(sock).exactly(int(protocol.head_field(head, b"content-length") or 0))


def told(pairs, **more):
    text = {key: value.decode("latin-1") for key, value in pairs.items()}
    return json.dumps(dict(text, PID=os.getpid(), **more)).encode()


def answer(sock, pairs):
    """The status that was sent."""
    head = pairs["HEAD"]
    try:
        body, status = read_body(sock, head), 200
    except Refused as refused:
        body, status = b"", refused.args[0]
    content = told(pairs, BODY=base64.b64encode(body).decode())
    fields = f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode()
    if pairs["REQUEST_METHOD"] == b"HEAD":
        content = b""
    sock.sendall(f"HTTP/1.1 {status} Answer\r\n".encode() + fields + content)
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(65536):                             # a lingering close
        pass
    return status


class Child(protocol.Child):
    def handle_message(self, kind, ident, pairs, sockets, flags):
        if kind != protocol.CONNECTION or protocol.head_field(pairs["HEAD"], b"upgrade"):
            super().handle_message(kind, ident, pairs, sockets, flags)
            if ident in self.connections and b"tell" in pairs["QUERY_STRING"].split(b"&"):
                self.connections[ident].write(protocol.frame(protocol.OP_TEXT, told(pairs)))
            return
        self.send(protocol.TAKEN, ident)
        code = 0
        try:
            sockets[0].settimeout(SECS)
            code = answer(sockets[0], pairs)
        except OSError as error:
            self.log(f"a client left: {error}")
        self.reports.append(protocol.REPORT.pack(ident, 0, 0, 0, 0, code, 1, 0))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    Child(int(os.environ.pop("BATON_FD"))).run()
    sys.exit(0)

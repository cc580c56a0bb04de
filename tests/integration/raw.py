# SPDX-License-Identifier: MIT
"""A client of bytes: sends what it is told, reads what comes, sees the difference between an
end of file and a reset. For tests in which every byte counts."""

import socket
from dataclasses import dataclass, field

TIMEOUT_SECS = 20
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, 1.3


@dataclass
class Response:
    status: int
    reason: str
    headers: dict  # lower-case names; of a repeated field the values joined with ", "
    body: bytes = b""
    raw: bytes = field(default=b"", repr=False)
    client: str = ""  # our own address, as the gateway logs it


def upgrade_head(path="/echo", host="127.0.0.1", fields=(), key=KEY):
    """A correct upgrade request; fields: more lines "Name: value"."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket",
             "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
             *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def parse_response(data):
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    version, status, reason = (lines[0].split(" ", 2) + [""])[:3]
    assert version == "HTTP/1.1", f"no HTTP answer: {data[:200]!r}"
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        assert colon, f"bad field line {line!r}"
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Response(int(status), reason, headers, body, data)


class Connection:
    """address: (host, port), or the path of a Unix socket; source: our own address."""

    def __init__(self, address, timeout=TIMEOUT_SECS, source=""):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
            self.client = ""
        else:
            self.socket = socket.create_connection(
                address, timeout, (source, 0) if source else None)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            host, port = self.socket.getsockname()[:2]
            self.client = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def end(self):
        """No more bytes from us; reading goes on."""
        self.socket.shutdown(socket.SHUT_WR)

    def more(self):
        """Whether more came into the buffer; False at end of file. A reset raises."""
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def read_exactly(self, count):
        while len(self.buffer) < count:
            assert self.more(), f"end of file after {self.buffer!r}, {count} bytes expected"
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_head(self):
        """A response's head; what follows stays in the buffer."""
        while b"\r\n\r\n" not in self.buffer:
            assert self.more(), f"end of file inside a head: {self.buffer!r}"
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return parse_response(head + b"\r\n\r\n")

    def read_response(self, no_body=False):
        """A whole response until end of file, its length checked; no_body: the answer to a HEAD,
        whose length is that of the body that a GET gets. A reset raises."""
        while self.more():
            pass
        data, self.buffer = self.buffer, b""
        response = parse_response(data)
        response.client = self.client
        length = response.headers.get("content-length")
        assert length is None or no_body or int(length) == len(response.body), data
        return response

    def read_eof(self):
        """Nothing but the end of file comes."""
        while self.more():
            pass
        assert self.buffer == b"", f"bytes before the end: {self.buffer[:200]!r}"


def request(address, head, end=False):
    """Sends a head and reads the whole answer; end: says before that no more comes."""
    with Connection(address) as connection:
        connection.send(head)
        if end:
            connection.end()
        return connection.read_response(no_body=head.startswith(b"HEAD "))


def get(address, path, host="127.0.0.1"):
    return request(address, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
